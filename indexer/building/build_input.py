"""What a version is made from, gathered from the catalog and the shards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from indexer.attributes import Attributes
from indexer.building.calibration_queries import calibration_texts
from indexer.building.index_spec import IndexFamily
from indexer.building.places import CHUNK, BuildInput
from indexer.catalog import repository
from indexer.catalog.tables import Embedding, Image, Shard
from indexer.columns.collect import collect
from indexer.embedding.known import Embedded, embedding_of
from indexer.embedding.shards import read_shard
from indexer.layout import CollectionFolder
from models.encoding import encode_texts
from models.types import Encoder


@dataclass(frozen=True)
class IndexAims:
    """What is asked of the index of a collection."""

    recall: float
    family: IndexFamily


_ATTRIBUTES_READ = 2_000
"""Images whose attributes are looked through for texts to calibrate on."""
_ATTRIBUTES_CHUNK = 10_000


def build_input(
    session: Session,
    folder: CollectionFolder,
    encoder: Encoder,
    embedded: Embedded,
    lost: Sequence[int],
    change_number: int,
    aims: IndexAims,
) -> BuildInput:
    """All images of the collection but the lost, as they were at `change_number`.

    Those written since may be in it as they are now, or not: servers take them from the catalog.
    """
    placements = _placements(session, embedded, lost)
    paths = _paths(session, embedded.collection_id)
    texts = calibration_texts(_some_attributes(session, placements.ids))
    return BuildInput(
        model=encoder.spec.id,
        encoder_fingerprint=encoder.spec.fingerprint,
        dim=encoder.spec.dim,
        regions=encoder.spec.regions,
        change_number=change_number,
        ids=placements.ids,
        chunks=lambda: _chunks(folder, paths, placements, encoder.spec.row_dim),
        text_queries=lambda: encode_texts(encoder, texts),
        family=aims.family,
        floor=aims.recall,
        attributes=collect(_attributes(session, embedded.collection_id, placements.ids)),
    )


def count_indexable(session: Session, embedded: Embedded, until: int | None = None) -> int:
    """Images of the collection that have an embedding, intact; of those that changed last until
    that change number.
    """
    counted = (
        select(func.count(Image.id))
        .join(Embedding, embedding_of(embedded.fingerprint))
        .where(
            Image.collection_id == embedded.collection_id,
            Embedding.shard_id.is_(None) | Embedding.shard_id.not_in(embedded.damaged_shards),
        )
    )
    if until is not None:
        counted = counted.where(Image.change_number <= until)
    _join_all(session)
    return session.scalars(counted).one()


def _join_all(session: Session) -> None:
    """PostgreSQL plans by what it knew before a run embedded a million: a loop in a loop, which
    took minutes for 200,000 images.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL enable_nestloop = off"))


@dataclass(frozen=True)
class _Placements:
    """Of the images that a version will hold, each (count,), in ascending id order."""

    ids: NDArray[np.int64]
    shards: NDArray[np.int64]
    rows: NDArray[np.int64]


def _placements(session: Session, embedded: Embedded, lost: Sequence[int]) -> _Placements:
    """All but the lost. An image whose embedding is damaged, or that has none of this encoder and
    cannot be read, keeps its row and waits outside the index until it can.
    """
    _join_all(session)
    found = session.execute(
        select(Image.id, Embedding.shard_id, Embedding.shard_row)
        .join(Embedding, embedding_of(embedded.fingerprint))
        .where(Image.collection_id == embedded.collection_id, Embedding.shard_id.is_not(None))
        .order_by(Image.id)
        .execution_options(yield_per=10_000)
    )
    flat = np.fromiter((number for row in found for number in row), np.int64)
    ids, shards, rows = flat.reshape(-1, 3).T.copy()
    usable = ~np.isin(shards, list(embedded.damaged_shards))
    kept = usable & ~np.isin(ids, lost)
    return _Placements(ids[kept], shards[kept], rows[kept])


def _paths(session: Session, collection_id: int) -> dict[int, str]:
    rows = session.execute(select(Shard.id, Shard.path).where(Shard.collection_id == collection_id))
    return {row.id: row.path for row in rows}


def _some_attributes(session: Session, ids: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    step = max(1, len(ids) // _ATTRIBUTES_READ)
    return repository.attributes_of(session, ids[::step].tolist())


def _attributes(
    session: Session, collection_id: int, ids: NDArray[np.int64]
) -> Iterator[Attributes]:
    """Of each image, in the order of the ids, which ascend; none of one that is gone meanwhile."""
    of_collection = select(Image.id, Image.attributes).where(Image.collection_id == collection_id)
    for start in range(0, len(ids), _ATTRIBUTES_CHUNK):
        chunk = ids[start : start + _ATTRIBUTES_CHUNK].tolist()
        rows = session.execute(of_collection.where(Image.id.between(chunk[0], chunk[-1])))
        held = {row.id: row.attributes for row in rows}
        yield from (held.get(image, {}) for image in chunk)


def _chunks(
    folder: CollectionFolder, paths: dict[int, str], placements: _Placements, row_dim: int
) -> Iterator[NDArray[np.float16]]:
    """A shard is mapped when a chunk needs it and let go after: descriptors are few."""
    for start in range(0, len(placements.ids), CHUNK):
        shards = placements.shards[start : start + CHUNK]
        rows = placements.rows[start : start + CHUNK]
        gathered = np.empty((len(rows), row_dim), np.float16)
        for shard in np.unique(shards):
            chosen = shards == shard
            gathered[chosen] = read_shard(folder.shards, paths[int(shard)])[rows[chosen]]
        yield gathered
