"""From a recall target to the cheapest search setting that reaches it.

Recall@10 is measured against exact search, on two kinds of query: stored image vectors,
each looking for its neighbours other than itself, and text queries in both languages. Text
lies off the images' distribution, and an index tuned on images alone loses it
(clip-retrieval issue 76): each kind gets settings of its own.

Rerank is exact, so a true neighbour is found if and only if it is among the candidates.
One search a number of lists, as deep as ever, therefore tells the recall at every depth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.backends.base import Modality
from indexer.backends.costs import LIST_NS, RERANK_NS
from indexer.building.ground_truth import K, TrueNeighbours, sample_images, true_neighbours
from indexer.errors import RecallTooLow
from indexer.versions.manifest import Calibration, CalibrationPoint
from models.types import Embeddings

TARGETS = (0.90, 0.95, 0.99)
_SHALLOWEST, _DEEPENING, _DEEPEST = 1024, 4, 16_384
_IMAGE_QUERIES = 128


class Candidates(Protocol):
    """An index that is calibrated: what it proposes, and the vectors that tell what is right."""

    @property
    def count(self) -> int: ...

    @property
    def nlist(self) -> int:
        """A power of two."""
        ...

    @property
    def vectors(self) -> NDArray[np.float16]:
        """Shape (count, dim)."""
        ...

    def candidates(self, queries: Embeddings, depth: int, nprobe: int) -> NDArray[np.int64]:
        """Row numbers (queries, depth) by compressed scores; −1 where the lists hold fewer."""
        ...


def calibrate(
    index: Candidates,
    text_queries: Embeddings,
    code_ns: float,
    regions: int = 1,
    shallowest: int = _SHALLOWEST,
) -> Calibration:
    """Points for TARGETS, for each kind of query. `code_ns`: see IndexSpec. The index holds so many
    `regions` of each image, and recall is that of images: of the best region of each. `shallowest`:
    candidates of the first look; deeper ones follow where they are needed.

    A target is reached where the mean recall, less its standard error, is at least that: other
    queries than these are to reach it too.

    A target that no setting reaches gets the best setting there is, with the recall that
    it measured: the caller decides whether that is good enough.
    """
    vectors = index.vectors.reshape(-1, regions * index.vectors.shape[1])
    images, itself = sample_images(vectors, _IMAGE_QUERIES, regions=regions)
    nobody = np.full(len(text_queries), -1)
    queries = np.concatenate([text_queries, images])
    truth = true_neighbours(vectors, queries, np.concatenate([nobody, itself]))
    texts = len(text_queries)
    list_ns = LIST_NS + code_ns * index.count / index.nlist
    return Calibration(
        text=_points(index, text_queries, truth[:texts], list_ns, shallowest),
        image=_points(index, images, truth[texts:], list_ns, shallowest),
    )


def shortfall(calibration: Calibration, floor: float) -> tuple[Modality, float] | None:
    """The kind of query that does not reach `floor`, and what it reaches; None: both do."""
    modalities: tuple[Modality, ...] = ("text", "image")
    for modality in modalities:
        best: float = getattr(calibration, modality)[-1].measured
        if best < floor:
            return modality, best
    return None


def require_recall(calibration: Calibration, floor: float) -> None:
    """Raises RecallTooLow. No floor is above the highest of TARGETS."""
    floor = min(floor, TARGETS[-1])
    if missed := shortfall(calibration, floor):
        modality, best = missed
        raise RecallTooLow(modality, best, floor)


@dataclass(frozen=True)
class _Curve:
    """What one number of lists gives with 1, 2, 3 … candidates scored exactly; each (depth,)."""

    nprobe: int
    recall: NDArray[np.float64]
    assured: NDArray[np.float64]
    """Less the standard error of the mean; never falling."""


@dataclass(frozen=True)
class _Setting:
    nprobe: int
    rerank: int
    measured: float
    cost: float
    """Nanoseconds; infinite where the target was not reached."""


def _points(
    index: Candidates,
    queries: Embeddings,
    truth: list[TrueNeighbours],
    list_ns: float,
    shallowest: int,
) -> list[CalibrationPoint]:
    curves: list[_Curve] = []
    enough = np.inf
    for nprobe in _ladder(index.nlist):
        if nprobe * list_ns > enough:  # the lists alone cost more than what reached the top
            break
        curves.append(_curve(index, queries, truth, nprobe, shallowest))
        enough = min(enough, _setting(curves[-1], TARGETS[-1], list_ns).cost)
    return [_cheapest(curves, target, list_ns) for target in TARGETS]


def _curve(
    index: Candidates,
    queries: Embeddings,
    truth: list[TrueNeighbours],
    nprobe: int,
    shallowest: int,
) -> _Curve:
    """Deeper and deeper, until the highest target is reached or there is nothing more to see."""
    deepest = min(_DEEPEST, index.count)
    depth = min(shallowest, deepest)
    while True:
        rows = index.candidates(queries, depth, nprobe)
        curve = _curve_of(index, queries, rows, truth, nprobe)
        exhausted = depth == deepest or rows[:, -1].max() < 0
        if exhausted or curve.assured[-1] >= TARGETS[-1]:
            return curve
        depth = min(_DEEPENING * depth, deepest)


def _curve_of(
    index: Candidates,
    queries: Embeddings,
    rows: NDArray[np.int64],
    truth: list[TrueNeighbours],
    nprobe: int,
) -> _Curve:
    depth = rows.shape[1]
    sums, squares = np.zeros(depth), np.zeros(depth)
    for query, candidates, nearest in zip(queries, rows, truth, strict=True):
        found = nearest.recall(candidates, _scores(index, query, candidates, nearest))
        sums += found
        squares += found**2
    mean = sums / len(rows)
    deviation = np.sqrt(np.maximum(squares / len(rows) - mean**2, 0))
    return _Curve(nprobe, mean, np.maximum.accumulate(mean - deviation / np.sqrt(len(rows))))


def _scores(
    index: Candidates, query: NDArray[np.float32], rows: NDArray[np.int64], truth: TrueNeighbours
) -> NDArray[np.float32]:
    """Exact ones (rows,), where they are looked at."""
    scores = np.full(len(rows), -np.inf, np.float32)
    if np.isfinite(truth.bar):
        is_row = rows >= 0
        scores[is_row] = index.vectors[rows[is_row]].astype(np.float32) @ query
    return scores


def _cheapest(curves: list[_Curve], target: float, list_ns: float) -> CalibrationPoint:
    settings = [_setting(curve, target, list_ns) for curve in curves]
    best = min(settings, key=lambda setting: (setting.cost, -setting.measured))
    return CalibrationPoint(
        recall=target, nprobe=best.nprobe, rerank=best.rerank, measured=best.measured
    )


def _setting(curve: _Curve, target: float, list_ns: float) -> _Setting:
    """The least depth that reaches the target, or the least that reaches what there is."""
    reached = bool(curve.assured[-1] >= target)
    wanted = target if reached else curve.assured[-1]
    depth = max(int(np.searchsorted(curve.assured, wanted)) + 1, K)
    cost = curve.nprobe * list_ns + RERANK_NS * depth if reached else np.inf
    return _Setting(curve.nprobe, depth, float(curve.recall[depth - 1]), cost)


def _ladder(limit: int) -> Iterator[int]:
    """1, 2, 4 … `limit`, a power of two itself."""
    return (1 << power for power in range(limit.bit_length()))
