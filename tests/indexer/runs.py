"""Indexing runs on the collection `shop`, and what is to be seen of them."""

from pathlib import Path

from sqlalchemy import select

from indexer.backends.faiss_index import FaissIndex
from indexer.backends.opening import open_version
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Image as ImageRow
from indexer.indexing import Indexing
from indexer.indexing_run import IndexSummary
from indexer.layout import CollectionFolder
from indexer.progress import Silent
from indexer.sources.folder import FolderSource
from models.encoding import encode_texts
from tests.tiny_encoder import TinyEncoder


def run(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, *, sole_source: bool = False
) -> IndexSummary:
    source = FolderSource(photos)
    return indexing.run("shop", source, encoder, Silent(), recall=0.95, sole_source=sole_source)


def active(database: Database, data_dir: Path) -> FaissIndex:
    with database.read() as session:
        owner = repository.collection(session, "shop")
        assert owner.active_version is not None
        name = owner.active_version.name
    return open_version(CollectionFolder.of(data_dir, owner).version(name))[1]


def keys(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(ImageRow.key).order_by(ImageRow.key)))


def found(database: Database, data_dir: Path, encoder: TinyEncoder, text: str) -> str:
    hits = active(database, data_dir).search(encode_texts(encoder, [text]), 1, 0.95, "text")
    with database.read() as session:
        return session.get_one(ImageRow, int(hits.ids[0, 0])).key


def activate(indexing: Indexing, version: str | None, *encoders: TinyEncoder) -> None:
    assert version is not None
    known = {encoder.spec.id: encoder for encoder in encoders}
    indexing.activate("shop", version, known.__getitem__, Silent())
