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

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.backends.base import Modality
from indexer.backends.faiss_index import FaissIndex
from indexer.versions.manifest import Calibration, CalibrationPoint
from models.types import Embeddings

TARGETS = (0.90, 0.95, 0.99)
K = 10
_SHALLOWEST, _DEEPENING, _DEEPEST = 1024, 4, 16_384
_IMAGE_QUERIES = 128
_CHUNK = 65_536
_ALIKE = 1e-5
"""Scores no further apart are equal: float32 sums of the same numbers in another order."""
_LIST_NS = 1_000.0
"""What a list costs one core before its first code (measured, as the next, at 512 dimensions)."""
_RERANK_NS = 160.0
"""What an exact score costs."""


def calibrate(index: FaissIndex, text_queries: Embeddings, code_ns: float) -> Calibration:
    """Points for TARGETS, for each kind of query. `code_ns`: see IndexSpec.

    A target is reached where the mean recall, less its standard error, is at least that: other
    queries than these are to reach it too.

    A target that no setting reaches gets the best setting there is, with the recall that
    it measured: the caller decides whether that is good enough.
    """
    images, itself = sample_images(index.vectors, _IMAGE_QUERIES)
    nobody = np.full(len(text_queries), -1)
    queries = np.concatenate([text_queries, images])
    truth = true_neighbours(index.vectors, queries, np.concatenate([nobody, itself]))
    texts = len(text_queries)
    list_ns = _LIST_NS + code_ns * index.count / index.nlist
    return Calibration(
        text=_points(index, text_queries, truth[:texts], list_ns),
        image=_points(index, images, truth[texts:], list_ns),
    )


def shortfall(calibration: Calibration, floor: float) -> tuple[Modality, float] | None:
    """The kind of query that does not reach `floor`, and what it reaches; None: both do."""
    modalities: tuple[Modality, ...] = ("text", "image")
    for modality in modalities:
        best: float = getattr(calibration, modality)[-1].measured
        if best < floor:
            return modality, best
    return None


def sample_images(
    vectors: NDArray[np.float16], most: int, seed: int = 0
) -> tuple[Embeddings, NDArray[np.int64]]:
    """Stored vectors (n, dim), of unit length again, and their rows (n,)."""
    rows = np.random.default_rng(seed).choice(len(vectors), min(most, len(vectors)), replace=False)
    rows.sort()
    sampled = vectors[rows].astype(np.float32)
    return sampled / np.linalg.norm(sampled, axis=1, keepdims=True), rows


def exact_neighbours(
    vectors: NDArray[np.float16], queries: Embeddings, k: int
) -> NDArray[np.int64]:
    """Row numbers (queries, k) of the true nearest, by scanning everything."""
    best = faiss.ResultHeap(len(queries), k, keep_max=True)
    for start in range(0, len(vectors), _CHUNK):
        chunk = vectors[start : start + _CHUNK].astype(np.float32)
        near = min(k, len(chunk))
        scores, rows = faiss.knn(queries, chunk, near, metric=faiss.METRIC_INNER_PRODUCT)
        best.add_result(scores, rows + start)
    best.finalize()
    return best.I  # type: ignore[no-any-return]


def recall_at(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Share of the true neighbours (queries, k) that are among those found."""
    hits = [len(np.intersect1d(*pair)) for pair in zip(found, truth, strict=True)]
    return float(sum(hits) / truth.size)


@dataclass(frozen=True)
class TrueNeighbours:
    """Of a query. A picture may be there a thousand times: which ten are found is all the same."""

    itself: int
    """The query's own row, which is no answer; −1: it has none."""
    rows: NDArray[np.int64]
    """Shape (K,)."""
    bar: float
    """The score of other rows that are as near as the last of these; infinite: there are none."""

    def recall(self, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """What is reached with the first, the first two, … of (n,) rows."""
        near = np.isin(rows, self.rows) | ((scores >= self.bar) & (rows != self.itself))
        reached: NDArray[np.float64] = np.minimum(np.cumsum(near), K) / K
        return reached


def true_neighbours(
    vectors: NDArray[np.float16], queries: Embeddings, itself: NDArray[np.int64]
) -> list[TrueNeighbours]:
    """For each of (n, dim), by scanning more than K vectors; `itself` (n,): its row, or −1."""
    nearest = exact_neighbours(vectors, queries, min(K + 2, len(vectors)))
    nearest = without(itself, nearest)
    last, next_best = (
        np.einsum("qd,qd->q", vectors[nearest[:, at]].astype(np.float32), queries)
        for at in (K - 1, -1)
    )
    is_tied = (nearest.shape[1] > K) & (last - next_best < _ALIKE)
    bars = np.where(is_tied, last - _ALIKE, np.inf).tolist()
    return list(map(TrueNeighbours, itself.tolist(), nearest[:, :K], bars))


def without(excluded: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """From (queries, k + 1) rows the first k that are not the query's own.

    An image finds itself whatever the setting: that would flatter every measurement.
    """
    order = np.argsort(rows == excluded[:, None], axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1)[:, :-1]


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
    index: FaissIndex, queries: Embeddings, truth: list[TrueNeighbours], list_ns: float
) -> list[CalibrationPoint]:
    curves: list[_Curve] = []
    enough = np.inf
    for nprobe in _ladder(index.nlist):
        if nprobe * list_ns > enough:  # the lists alone cost more than what reached the top
            break
        curves.append(_curve(index, queries, truth, nprobe))
        enough = min(enough, _setting(curves[-1], TARGETS[-1], list_ns).cost)
    return [_cheapest(curves, target, list_ns) for target in TARGETS]


def _curve(
    index: FaissIndex, queries: Embeddings, truth: list[TrueNeighbours], nprobe: int
) -> _Curve:
    """Deeper and deeper, until the highest target is reached or there is nothing more to see."""
    deepest = min(_DEEPEST, index.count)
    depth = min(_SHALLOWEST, deepest)
    while True:
        rows = index.candidates(queries, depth, nprobe)
        curve = _curve_of(index, queries, rows, truth, nprobe)
        exhausted = depth == deepest or rows[:, -1].max() < 0
        if exhausted or curve.assured[-1] >= TARGETS[-1]:
            return curve
        depth = min(_DEEPENING * depth, deepest)


def _curve_of(
    index: FaissIndex,
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
    index: FaissIndex, query: NDArray[np.float32], rows: NDArray[np.int64], truth: TrueNeighbours
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
    cost = curve.nprobe * list_ns + _RERANK_NS * depth if reached else np.inf
    return _Setting(curve.nprobe, depth, float(curve.recall[depth - 1]), cost)


def _ladder(limit: int) -> Iterator[int]:
    """1, 2, 4 … `limit`, a power of two itself."""
    return (1 << power for power in range(limit.bit_length()))
