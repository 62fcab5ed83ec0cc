"""What workers do with a batch: read and decode it, then encode it.

What goes wrong in a known way is part of the answer, and the driver raises it as it was.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from indexer.drivers.ray_data.landmarks import require_landmarks
from indexer.drivers.ray_data.work import Answer, Recipe, Work, packed, rows_of, table_of, unpacked
from indexer.embedding.handover import Idle
from indexer.embedding.prepare import Outcome, Preparation, Prepared, Workshop
from indexer.errors import ClusterFailed, IndexerError
from indexer.room import Room
from indexer.sources import source_of
from indexer.sources.base import ImageSource
from indexer.sources.options import SourceOptions
from models.encoder_pool import encode_here
from models.errors import DeviceLost, ModelError

logger = logging.getLogger(__name__)

_TRIES = 4
"""Of a batch, in either stage. What a lost process was at Ray gives to another, for ever, and a
picture that ends every process that meets it would end them all.
"""
_NAMED = 3
_FAILURES = (IndexerError, ModelError, OSError)


def prepare(batch: pa.Table, recipe: Recipe, feed: Any) -> pa.Table:
    """Work → an Answer whose pictures are pixels."""
    work = _received(batch)
    if not isinstance(work, Work):
        return batch
    try:
        _begin(feed, "decode", work.number, [one.item.key for one in work.candidates])
        answer = Answer(work.number, _outcomes(work, recipe))
    except _FAILURES as error:
        answer = Answer(work.number, error=error)
    return table_of(packed(answer))


class EncodeWorker:
    """An actor, since it keeps the model."""

    def __init__(self, recipe: Recipe, feed: Any) -> None:
        self._recipe = recipe
        self._feed = feed
        ray.get(feed.join.remote(ray.get_runtime_context().current_actor))

    def __call__(self, batch: pa.Table) -> pa.Table:
        """An Answer whose pictures are pixels → the same with their embeddings."""
        answer = _received(batch)
        if not isinstance(answer, Answer) or answer.error is not None:
            return batch
        pictures = [one for one in answer.outcomes if isinstance(one, Prepared)]
        try:
            _begin(self._feed, "encode", answer.number, [one.item.key for one in pictures])
            encoded = self._encoded(pictures)
        except DeviceLost:
            logger.exception("this process ends, and another tries again")
            os._exit(1)
        except _FAILURES as error:
            return table_of(packed(Answer(answer.number, error=error)))
        others = [one for one in answer.outcomes if not isinstance(one, Prepared)]
        return table_of(packed(Answer(answer.number, [*others, *encoded])))

    def _encoded(self, pictures: Sequence[Prepared]) -> list[Prepared]:
        if not pictures:
            return []
        pixels = [picture.pixels for picture in pictures]
        rows = encode_here(self._recipe.spec, self._recipe.to_embeddings, pixels)
        return [
            replace(picture, pixels=row.view(np.uint8))
            for picture, row in zip(pictures, rows, strict=True)
        ]


def _received(batch: pa.Table) -> Work | Answer | None:
    (row,) = rows_of(batch)
    return unpacked(row) if row else None


def _begin(feed: Any, stage: str, number: int, keys: Sequence[str]) -> None:
    """Raises ClusterFailed where that was in vain too often."""
    if ray.get(feed.begin.remote(number, stage)) > _TRIES:
        named = ", ".join(map(repr, keys[:_NAMED])) + (", …" if len(keys) > _NAMED else "")
        raise ClusterFailed(
            f"{_TRIES} processes ended, one after the other, that were to {stage} these "
            f"{len(keys)} pictures: {named}"
        )


def _outcomes(work: Work, recipe: Recipe) -> list[Outcome]:
    workshop = Workshop(
        source=_source(recipe.source_uri, recipe.source_options, recipe.landmarks),
        to_pixels=recipe.to_pixels,
        spec=recipe.spec,
        limits=recipe.limits,
        threads=recipe.threads,
        batch_size=len(work.candidates),
        memory_bytes=recipe.memory_bytes,
        room=Room(recipe.memory_bytes),
        decode_room=Room(recipe.memory_bytes),
    )
    outcomes: list[Outcome] = []
    with Preparation(work.candidates, workshop) as prepared:
        for outcome in prepared:
            if isinstance(outcome, Idle):
                continue
            if isinstance(outcome, Prepared):  # the answer's from here on
                workshop.room.leave(outcome.pixels.nbytes)
            outcomes.append(outcome)
    return outcomes


@cache
def _source(uri: str, options: SourceOptions, landmarks: tuple[Path, ...]) -> ImageSource:
    """Once a process. Raises SourceError."""
    require_landmarks(uri, landmarks)
    return source_of(uri, options=options)
