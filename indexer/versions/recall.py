"""The recall that a version reaches now, measured against exact search."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean, median
from time import perf_counter

import numpy as np

from indexer.backends.base import Modality
from indexer.backends.opening import ImageIndex
from indexer.building.calibrate import TARGETS
from indexer.building.ground_truth import K, TrueNeighbours, sample_images, true_neighbours
from indexer.versions.manifest import Calibration, CalibrationPoint
from models.types import Embeddings

_SEED = 1
"""Another than calibration's: these are not the images that the settings were chosen on."""


@dataclass(frozen=True)
class MeasuredRecall:
    modality: Modality
    asked: float
    measured: float
    nprobe: int | None
    rerank: int | None
    """Both as calibrated; None where search is exact."""
    milliseconds: float
    """Median of a query by itself."""


def measure_recall(
    index: ImageIndex, calibration: Calibration | None, texts: Embeddings, sample: int
) -> list[MeasuredRecall]:
    """recall@10 for each of TARGETS: of the text queries (n, dim), and of so many stored images,
    each without itself. Scans all vectors once for either kind; the index holds more than K.
    """
    images, rows = sample_images(index.vectors, sample, _SEED, index.regions)
    nobody = np.full(len(texts), -1)
    of_texts = _Asked("text", texts, true_neighbours(index.vectors, texts, nobody))
    of_images = _Asked("image", images, true_neighbours(index.vectors, images, rows))
    return [
        _measured(index, calibration, asked, target)
        for asked in (of_texts, of_images)
        for target in TARGETS
    ]


@dataclass(frozen=True)
class _Asked:
    modality: Modality
    queries: Embeddings
    """Shape (n, dim)."""
    truth: list[TrueNeighbours]


def _measured(
    index: ImageIndex, calibration: Calibration | None, asked: _Asked, target: float
) -> MeasuredRecall:
    # One more than K, as a server asks for: an image is left out of its own answer.
    found = index.search(asked.queries, K + 1, target, asked.modality)
    rows_found = np.searchsorted(index.ids, found.ids)  # ids ascend: rows are in id order
    if found.regions is not None:
        rows_found = index.regions * rows_found + found.regions
    points: list[CalibrationPoint] = getattr(calibration, asked.modality) if calibration else []
    point = next((point for point in points if point.recall == target), None)
    return MeasuredRecall(
        modality=asked.modality,
        asked=target,
        measured=fmean(
            truth.recall(rows, scores)[-1]
            for truth, rows, scores in zip(asked.truth, rows_found, found.scores, strict=True)
        ),
        nprobe=point.nprobe if point else None,
        rerank=point.rerank if point else None,
        milliseconds=1000 * median(_seconds(index, asked, target)),
    )


def _seconds(index: ImageIndex, asked: _Asked, target: float) -> Iterator[float]:
    for number in range(len(asked.queries)):
        started = perf_counter()
        index.search(asked.queries[number : number + 1], K + 1, target, asked.modality)
        yield perf_counter() - started
