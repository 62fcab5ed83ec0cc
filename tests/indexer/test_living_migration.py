"""Embeddings move out of the rows of images, and back."""

from pathlib import Path

from PIL import Image
from sqlalchemy import func, select, text

from indexer.catalog import db, repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Embedding
from indexer.catalog.tables import Image as ImageRow
from indexer.indexing import Indexing
from indexer.live.writes import Delete, apply
from indexer.progress import Silent
from tests.indexer.runs import found, run
from tests.indexer.test_waiting_images import put
from tests.tiny_encoder import TinyEncoder


def test_nothing_is_embedded_again_and_no_id_comes_back(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    database: Database,
    database_url: str,
    data_dir: Path,
) -> None:
    (photos / "copy.png").write_bytes((photos / "red.png").read_bytes())
    run(indexing, photos, encoder)
    last = _last_id(database)
    (photos / _key_of(database, last)).unlink()
    run(indexing, photos, encoder)
    database.close()

    db.downgrade(database_url, "0003")
    with database.read() as session:
        places = session.execute(text("SELECT shard_id, shard_row FROM images")).all()
    assert len(places) == 3
    assert all(None not in place for place in places)
    database.close()
    db.upgrade(database_url)

    with database.read() as session:
        contents = set(session.scalars(select(ImageRow.content_hash)))
        assert session.scalar(select(func.count()).select_from(Embedding)) == len(contents)
    Image.new("RGB", (9, 9), "white").save(photos / "white.png")
    again = run(indexing, photos, encoder)
    assert (again.images.embedded, again.images.unchanged) == (1, 3)
    assert found(database, data_dir, encoder, "white") == "white.png"
    assert _last_id(database) == last + 1, "the id of the deleted image stays its own"


def _last_id(database: Database) -> int:
    with database.read() as session:
        return int(session.scalars(select(func.max(ImageRow.id))).one())


def _key_of(database: Database, image_id: int) -> str:
    with database.read() as session:
        return session.get_one(ImageRow, image_id).key


def test_the_id_of_a_deleted_collection_never_comes_back(database: Database) -> None:
    def made() -> int:
        with database.write() as session:
            spec = TinyEncoder().spec
            return repository.add_collection(session, "shop", "tiny", spec, 0.9).id

    first = made()
    with database.write() as session:
        repository.delete_collection(session, first)
    assert made() > first


def test_the_way_back_forgets_what_has_no_place_there_and_nothing_else(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    database: Database,
    database_url: str,
    data_dir: Path,
) -> None:
    run(indexing, photos, encoder)
    put(database, data_dir, "in a shard", "white", encoder)
    indexing.reindex("shop", TinyEncoder("2"), Silent(), sources=[])
    put(database, data_dir, "in the catalog", "black", TinyEncoder("2"))
    with database.write() as session:
        owner = repository.collection(session, "shop")
        apply(session, owner, [Delete("green.png")])
    database.close()

    for _ in range(2):
        db.downgrade(database_url, "0003")
        db.upgrade(database_url)
    with database.read() as session:
        kept = set(session.scalars(select(ImageRow.key)))
        made_by = set(session.scalars(select(Embedding.encoder_fingerprint)))
    assert kept == {"red.png", "blue.png", "in a shard"}
    assert made_by == {TinyEncoder("2").spec.fingerprint}
    again = indexing.reindex("shop", TinyEncoder("2"), Silent(), sources=[])
    assert (again.images.embedded, again.total) == (0, 3)
