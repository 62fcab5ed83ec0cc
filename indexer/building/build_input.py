"""What a version is made from, gathered from the catalog and the shards."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from indexer.building.build import CHUNK, BuildInput
from indexer.building.calibration_queries import calibration_texts
from indexer.building.index_spec import IndexFamily
from indexer.catalog import repository
from indexer.catalog.tables import Collection, Image, Shard
from indexer.embedding.shards import read_shard
from indexer.layout import CollectionFolder
from models.encoding import encode_texts
from models.types import Encoder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class IndexAims:
    """What is asked of the index of a collection."""

    recall: float
    family: IndexFamily


_ATTRIBUTES_READ = 2_000


def build_input(
    session: Session,
    owner: Collection,
    folder: CollectionFolder,
    encoder: Encoder,
    usable_shards: set[int],
    lost: Sequence[int],
    aims: IndexAims,
) -> BuildInput:
    """All images of the collection but the lost, as they are now."""
    placements = _placements(session, owner.id, usable_shards, lost)
    paths = _paths(session, owner.id)
    texts = calibration_texts(_some_attributes(session, placements.ids))
    return BuildInput(
        model=encoder.spec.id,
        encoder_fingerprint=encoder.spec.fingerprint,
        dim=encoder.spec.dim,
        change_number=owner.change_number,
        ids=placements.ids,
        chunks=lambda: _chunks(folder, paths, placements, encoder.spec.dim),
        text_queries=lambda: encode_texts(encoder, texts),
        family=aims.family,
        floor=aims.recall,
    )


@dataclass(frozen=True)
class _Placements:
    """Of the images that a version will hold, each (count,), in ascending id order."""

    ids: NDArray[np.int64]
    shards: NDArray[np.int64]
    rows: NDArray[np.int64]


def _placements(
    session: Session, collection_id: int, usable_shards: set[int], lost: Sequence[int]
) -> _Placements:
    """All but the lost. An image that could not be read, and whose embedding is damaged or of
    another model, keeps its row and waits outside the index until it can.
    """
    found = session.execute(
        select(Image.id, Image.shard_id, Image.shard_row)
        .where(Image.collection_id == collection_id)
        .order_by(Image.id)
        .execution_options(yield_per=10_000)
    )
    flat = np.fromiter((number for row in found for number in row), np.int64)
    ids, shards, rows = flat.reshape(-1, 3).T.copy()
    usable = np.isin(shards, list(usable_shards))
    present = ~np.isin(ids, lost)
    if waiting := np.count_nonzero(present & ~usable):
        logger.warning("%d unreadable images wait outside the index", waiting)
    kept = present & usable
    return _Placements(ids[kept], shards[kept], rows[kept])


def _paths(session: Session, collection_id: int) -> dict[int, str]:
    rows = session.execute(select(Shard.id, Shard.path).where(Shard.collection_id == collection_id))
    return {row.id: row.path for row in rows}


def _some_attributes(session: Session, ids: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    step = max(1, len(ids) // _ATTRIBUTES_READ)
    return repository.attributes_of(session, ids[::step].tolist())


def _chunks(
    folder: CollectionFolder, paths: dict[int, str], placements: _Placements, dim: int
) -> Iterator[NDArray[np.float16]]:
    """A shard is mapped when a chunk needs it and let go after: descriptors are few."""
    for start in range(0, len(placements.ids), CHUNK):
        shards = placements.shards[start : start + CHUNK]
        rows = placements.rows[start : start + CHUNK]
        gathered = np.empty((len(rows), dim), np.float16)
        for shard in np.unique(shards):
            chosen = shards == shard
            gathered[chosen] = read_shard(folder.shards, paths[int(shard)])[rows[chosen]]
        yield gathered
