"""Images whose picture cannot be read wait, and hold up nobody else."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import API_SOURCE, Embedding
from indexer.catalog.tables import Image as ImageRow
from indexer.embedding import missing
from indexer.embedding.missing import MissingEmbeddings
from indexer.errors import CollectionMixed
from indexer.indexing import Indexing
from indexer.layout import CollectionFolder
from indexer.live.picture_store import PictureStore
from indexer.live.writes import Picture, Put, apply
from indexer.progress import Silent
from indexer.versions import publish
from models.encoding import encode_images
from tests.indexer.runs import activate, run
from tests.tiny_encoder import TinyEncoder

OTHER = TinyEncoder("2")


def put(database: Database, data_dir: Path, key: str, colour: str, encoder: TinyEncoder) -> Path:
    """As the API does. The file in the picture store."""
    path = data_dir.parent / "put.png"
    Image.new("RGB", (20, 20), colour).save(path)
    data = path.read_bytes()
    content = hashlib.sha256(data).hexdigest()
    with Image.open(path) as opened:
        vector = encode_images(encoder, [opened])[0].astype("float16")
    picture = Picture(content, len(data), "PNG", 20, 20)
    made_by = encoder.spec.fingerprint
    with database.write() as session:
        owner = repository.collection(session, "shop")
        folder = CollectionFolder.of(data_dir, owner).pictures
        PictureStore(folder).put(content, data)
        apply(session, owner, [Put(key, picture, API_SOURCE + key, made_by, vector)])
    return folder / content[:2] / content


def without_embedding(database: Database, encoder: TinyEncoder) -> set[str]:
    made = select(Embedding.content_hash).where(
        Embedding.encoder_fingerprint == encoder.spec.fingerprint
    )
    with database.read() as session:
        return set(session.scalars(select(ImageRow.key).where(ImageRow.content_hash.not_in(made))))


def test_what_was_given_up_hides_nothing_that_is_to_be_embedded(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    database: Database,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twelve that wait do not make twelve that are written meanwhile seem to be none: they would
    be embedded in the switch, for which all writers wait.
    """
    run(indexing, photos, encoder)
    for number in range(12):
        put(database, data_dir, f"away-{number}", f"rgb({number},0,0)", encoder).unlink()
    put(database, data_dir, "here", "white", encoder)
    in_switch: list[str] = []
    embed_one = MissingEmbeddings._embed_one

    def counted(self: MissingEmbeddings, session: object, one: missing._Lacking) -> None:
        in_switch.append(one.key)
        embed_one(self, session, one)  # type: ignore[arg-type]

    monkeypatch.setattr(MissingEmbeddings, "_embed_one", counted)

    class Writing(Silent):
        def start(self, stage: str, total: int | None) -> None:  # noqa: ARG002
            if stage == "gather":
                for number in range(12):
                    put(database, data_dir, f"late-{number}", f"rgb(0,{number},9)", encoder)

    indexing.reindex("shop", OTHER, Writing(), sources=[])
    assert without_embedding(database, OTHER) == {f"away-{number}" for number in range(12)}
    assert len(in_switch) <= publish._FEW


def test_a_switch_takes_all_along_however_many_wait(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    database: Database,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publish, "_catch_up", lambda *_: None)
    run(indexing, photos, encoder)
    for number in range(6):
        put(database, data_dir, f"away-{number}", f"rgb({number},0,0)", encoder).unlink()
    put(database, data_dir, "here", "white", encoder)

    class Writing(Silent):
        def start(self, stage: str, total: int | None) -> None:  # noqa: ARG002
            if stage == "switch":
                monkeypatch.setattr(missing, "_PAGE", 2)
                for number in range(6):
                    put(database, data_dir, f"late-{number}", f"rgb(0,{number},9)", encoder)

    indexing.reindex("shop", OTHER, Writing(), sources=[])
    assert without_embedding(database, OTHER) == {f"away-{number}" for number in range(6)}


def test_a_rollback_embeds_with_the_edition_that_made_the_version_or_not_at_all(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database, data_dir: Path
) -> None:
    first = run(indexing, photos, encoder).version
    indexing.reindex("shop", OTHER, Silent(), sources=[])
    put(database, data_dir, "new", "white", OTHER)
    another_edition = TinyEncoder("3")
    assert first is not None
    with pytest.raises(CollectionMixed, match="another edition"):
        indexing.activate("shop", first, lambda _: another_edition, Silent())
    with database.read() as session:
        owner = repository.collection(session, "shop")
        assert owner.encoder_fingerprint == OTHER.spec.fingerprint
        assert owner.next_version_id is None, "servers need not keep it open"
    activate(indexing, first, encoder)
