"""Images written straight into the catalog: what readers of it must cope with, whoever writes."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import API_SOURCE, Collection, Embedding, Image, Shard
from indexer.embedding.shards import write_shard
from indexer.layout import CollectionFolder
from tests.tiny_encoder import TinyEncoder

Vector = NDArray[np.float16]


def unit(*numbers: float, dim: int = 0) -> Vector:
    row = np.zeros(dim or len(numbers))
    row[: len(numbers)] = numbers
    return (row / np.linalg.norm(row)).astype(np.float16)


class Rows:
    """A collection, by the hand of whoever writes it."""

    def __init__(
        self,
        database: Database,
        data_dir: Path,
        name: str = "shop",
        encoder: TinyEncoder | None = None,
    ) -> None:
        self.database = database
        self.name = name
        self.encoder = encoder or TinyEncoder()
        with database.write() as session:
            known = {collection.name for collection in repository.collections(session)}
            if name not in known:
                spec = self.encoder.spec
                repository.add_collection(session, name, spec.id, spec, 0.95)
            owner = repository.collection(session, name)
            self.id, self.folder = owner.id, CollectionFolder.of(data_dir, owner)
            self.fingerprint = owner.encoder_fingerprint

    def put(
        self,
        vectors: dict[str, Vector | None],
        source: str = API_SOURCE,
        *,
        shard: bool = False,
        fingerprint: str | None = None,
    ) -> None:
        """In one transaction. None: the encoder has not embedded it."""
        made_by = fingerprint or self.fingerprint
        with self.database.write() as session:
            number = repository.bump_change_number(session, self.id)
            places = self._shard(session, vectors, made_by) if shard else {}
            origin = repository.source(session, self.id, source)
            for key, vector in vectors.items():
                content = hashlib.sha256(f"{key}{number}".encode()).hexdigest()
                image = repository.image(session, self.id, key) or _new(self.id, key)
                image.source_id, image.content_hash = origin.id, content
                image.change_number = number
                session.add(image)
                if vector is not None:
                    place = places.get(key) or {"vector": vector.tobytes()}
                    session.add(_embedding(self.id, content, made_by, place))

    def embed(self, vectors: dict[str, Vector], fingerprint: str) -> None:
        """By another encoder: nothing of the images changes."""
        with self.database.write() as session:
            for key, vector in vectors.items():
                image = repository.image(session, self.id, key)
                assert image is not None
                place = {"vector": vector.tobytes()}
                session.add(_embedding(self.id, image.content_hash, fingerprint, place))

    def patch(self, key: str, **attributes: object) -> None:
        with self.database.write() as session:
            number = repository.bump_change_number(session, self.id)
            image = repository.image(session, self.id, key)
            assert image is not None
            image.attributes, image.change_number = attributes, number

    def delete(self, *keys: str) -> None:
        with self.database.write() as session:
            number = repository.bump_change_number(session, self.id)
            images = session.scalars(select(Image.id).where(Image.key.in_(keys))).all()
            repository.bury(session, images, number, is_final=True)

    def switch(self, **columns: object) -> None:
        """Columns of the collection's row, and who listens hears of it."""
        with self.database.write() as session:
            owner = session.get_one(Collection, self.id)
            for column, value in columns.items():
                setattr(owner, column, value)
            repository.announce_change(session)

    def ids(self) -> dict[str, int]:
        with self.database.read() as session:
            of_collection = Image.collection_id == self.id
            return dict(session.execute(select(Image.key, Image.id).where(of_collection)).all())

    def _shard(
        self, session: Session, vectors: dict[str, Vector | None], fingerprint: str
    ) -> dict[str, dict[str, object]]:
        self.folder.shards.mkdir(parents=True, exist_ok=True)
        stacked = np.stack([vector for vector in vectors.values() if vector is not None])
        file = write_shard(self.folder.shards, stacked)
        shard = Shard(
            collection_id=self.id,
            path=file.path,
            encoder_fingerprint=fingerprint,
            rows=file.rows,
            sha256=file.sha256,
        )
        session.add(shard)
        session.flush()
        return {key: {"shard_id": shard.id, "shard_row": row} for row, key in enumerate(vectors)}


def _new(collection_id: int, key: str) -> Image:
    return Image(
        collection_id=collection_id,
        key=key,
        uri=f"file:///{key}",
        file_size=1,
        format="PNG",
        width=40,
        height=30,
        attributes={},
    )


def _embedding(
    collection_id: int, content: str, fingerprint: str, place: dict[str, object]
) -> Embedding:
    return Embedding(
        collection_id=collection_id, content_hash=content, encoder_fingerprint=fingerprint, **place
    )
