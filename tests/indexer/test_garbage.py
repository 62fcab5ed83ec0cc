"""What nobody needs goes; what anybody may need stays."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import func, select, update

from indexer.catalog import repository
from indexer.catalog.db import Database, database_now
from indexer.catalog.tables import Embedding, IndexVersion, Server, Shard, Tombstone
from indexer.embedding.run import EmbedOptions
from indexer.indexing import Indexing
from indexer.layout import CollectionFolder
from indexer.live import servers
from indexer.pictures.decode import DecodeLimits
from indexer.progress import Silent
from indexer.versions import garbage
from indexer.writing import IndexingOptions
from tests.indexer.runs import run
from tests.tiny_encoder import TinyEncoder


@pytest.fixture
def indexing(database: Database, data_dir: Path) -> Indexing:
    """It waits for no server."""
    options = IndexingOptions(EmbedOptions(DecodeLimits()), switch_wait_seconds=0)
    return Indexing(database, data_dir, options)


@pytest.fixture
def versions(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database
) -> list[int]:
    """Ids of the first three, which are as many as are kept."""
    for number in range(3):
        Image.new("RGB", (9 + number, 9), "white").save(photos / f"{number}.png")
        run(indexing, photos, encoder)
    return kept(database)


def kept(database: Database) -> list[int]:
    with database.read() as session:
        owner = repository.collection(session, "shop")
        return [version.id for version in reversed(repository.versions(session, owner.id))]


def another(indexing: Indexing, photos: Path, encoder: TinyEncoder, number: int) -> None:
    Image.new("RGB", (30 + number, 9), "white").save(photos / f"more-{number}.png")
    run(indexing, photos, encoder)


def test_a_version_that_a_server_has_open_stays_until_it_is_closed(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    database: Database,
    data_dir: Path,
    versions: list[int],
) -> None:
    with database.write() as session:
        server = servers.register(session, "host", 1)
        assert servers.say_alive(session, server, {versions[0]: None})
    another(indexing, photos, encoder, 0)
    another(indexing, photos, encoder, 1)
    assert versions[0] in kept(database)
    assert versions[1] not in kept(database)
    assert len(list(data_dir.glob("collections/*/versions/*"))) == 4
    with database.write() as session:
        servers.say_alive(session, server, {})
    another(indexing, photos, encoder, 2)
    assert versions[0] not in kept(database)


def test_a_server_that_said_nothing_for_a_while_keeps_nothing(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    database: Database,
    versions: list[int],
) -> None:
    with database.write() as session:
        server = servers.register(session, "host", 1)
        servers.say_alive(session, server, {versions[0]: None})
        long_ago = database_now(session) - timedelta(minutes=1)
        session.execute(update(Server).values(seen_at=long_ago))
    another(indexing, photos, encoder, 0)
    assert versions[0] not in kept(database)
    with database.write() as session:
        assert not servers.say_alive(session, server, {}), "it has to register again"


def test_a_switch_waits_for_servers_that_may_still_open_the_version(
    database: Database, versions: list[int]
) -> None:
    with database.write() as session:
        opened, refusing, silent = (servers.register(session, "host", n) for n in range(3))
        servers.say_alive(session, opened, {versions[2]: None})
        servers.say_alive(session, refusing, {versions[2]: "no such model here"})
        assert servers.waited_for(session, versions[2]) == [silent]
        assert servers.versions_in_use(session) == {versions[2]}
        servers.forget(session, silent)
        assert servers.waited_for(session, versions[2]) == []


def test_embeddings_tombstones_and_shards_that_nothing_needs_go(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database, versions: list[int]
) -> None:
    assert versions
    for file in photos.glob("*.png"):
        if file.stem in {"red", "green"}:
            file.unlink()
    run(indexing, photos, encoder)
    with database.read() as session:
        assert count(session, Tombstone) == 2
        assert count(session, Embedding) == 4
    for number in range(3):
        another(indexing, photos, encoder, number)
    with database.read() as session:
        assert count(session, Tombstone) == 0, "every version that is kept was made without them"
        assert count(session, IndexVersion) == 3


def test_who_lost_the_collection_removes_no_file_of_the_next_owner(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    database: Database,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process hangs after its last transaction and before it sweeps: another takes over."""
    run(indexing, photos, encoder)
    with database.read() as session:
        shards = CollectionFolder.of(data_dir, repository.collection(session, "shop")).shards
    stray, of_another = shards / "stray.npy", shards / "new.npy"
    stray.touch()
    named = garbage._named

    def hanging(*given: Any) -> set[Path]:
        found = named(*given)
        of_another.touch()
        return found

    monkeypatch.setattr(garbage, "_named", hanging)
    run(indexing, photos, encoder)
    assert not stray.exists()
    assert of_another.exists()


def test_what_a_cancelled_change_of_model_has_embedded_is_not_embedded_again(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database
) -> None:
    class Cancelling(Silent):
        def start(self, stage: str, total: int | None) -> None:  # noqa: ARG002
            if stage == "gather":
                raise KeyboardInterrupt

    run(indexing, photos, encoder)
    other = TinyEncoder("2")
    with pytest.raises(KeyboardInterrupt):
        indexing.reindex("shop", other, Cancelling(), sources=[])
    Image.new("RGB", (9, 9), "white").save(photos / "white.png")
    run(indexing, photos, encoder)
    assert indexing.reindex("shop", other, Silent(), sources=[]).images.embedded == 1
    with database.read() as session:
        assert count(session, Shard) == 4


def count(session: repository.Session, table: type) -> int:
    return int(session.scalars(select(func.count()).select_from(table)).one())
