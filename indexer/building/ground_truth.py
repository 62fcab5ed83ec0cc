"""Exact search, which approximate search is measured against."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.types import Embeddings

K = 10
_CHUNK = 32_768
_ALIKE = 1e-5
"""Scores no further apart are equal: float32 sums of the same numbers in another order."""


def sample_images(
    vectors: NDArray[np.float16], most: int, seed: int = 0, regions: int = 1
) -> tuple[Embeddings, NDArray[np.int64]]:
    """Of the stored (count, regions · dim): embeddings of whole pictures (n, dim), of unit length
    again, and their rows (n,).
    """
    rows = np.random.default_rng(seed).choice(len(vectors), min(most, len(vectors)), replace=False)
    rows.sort()
    sampled = vectors[rows, : vectors.shape[1] // regions].astype(np.float32)
    return sampled / np.linalg.norm(sampled, axis=1, keepdims=True), rows


def exact_neighbours(
    vectors: NDArray[np.float16], queries: Embeddings, k: int
) -> NDArray[np.int64]:
    """Row numbers (queries, k) of the true nearest, best first, by scanning everything.

    Of vectors (count, regions · dim) they are numbers of regions: the best of each image.
    """
    regions = vectors.shape[1] // queries.shape[1]
    best = np.full((len(queries), k), -np.inf, np.float32)
    rows = np.full((len(queries), k), -1, np.int64)
    images = _CHUNK // regions
    for start in range(0, len(vectors), images):
        chunk = vectors[start : start + images].astype(np.float32)
        parts = queries @ chunk.reshape(-1, queries.shape[1]).T
        for query, of_parts in enumerate(parts.reshape(len(queries), -1, regions)):
            scores = of_parts.max(axis=1)
            better = np.flatnonzero(scores > best[query, -1])  # few, from the second chunk on
            known = np.concatenate([best[query], scores[better]])
            nearest = regions * (better + start) + of_parts[better].argmax(axis=1)
            named = np.concatenate([rows[query], nearest])
            top = np.argpartition(-known, k - 1)[:k]
            top = top[np.argsort(-known[top], kind="stable")]
            best[query], rows[query] = known[top], named[top]
    return rows


def recall_at(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Share of the true neighbours (queries, k) that are among those found."""
    hits = [len(np.intersect1d(*pair)) for pair in zip(found, truth, strict=True)]
    return float(sum(hits) / truth.size)


@dataclass(frozen=True)
class TrueNeighbours:
    """Of a query. A picture may be there a thousand times: which ten are found is all the same."""

    itself: int
    """The query's own image, which is no answer; −1: it has none."""
    rows: NDArray[np.int64]
    """Shape (K,): of K images the regions that are nearest."""
    bar: float
    """The score of other rows that are as near as the last of these; infinite: there are none."""
    regions: int = 1
    """Rows of an image."""

    def recall(self, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """What is reached with the first, the first two, … of (n,) rows."""
        is_other = rows // self.regions != self.itself
        near = np.isin(rows, self.rows) | ((scores >= self.bar) & is_other)
        reached: NDArray[np.float64] = np.minimum(np.cumsum(near), K) / K
        return reached


def true_neighbours(
    vectors: NDArray[np.float16], queries: Embeddings, itself: NDArray[np.int64]
) -> list[TrueNeighbours]:
    """For each of (n, dim), by scanning (count, regions · dim) of more than K images; `itself`
    (n,): its own image, or −1.
    """
    regions = vectors.shape[1] // queries.shape[1]
    nearest = exact_neighbours(vectors, queries, min(K + 2, len(vectors)))
    nearest = without(itself, nearest, regions)
    parts = vectors.reshape(-1, queries.shape[1])
    last, next_best = (
        np.einsum("qd,qd->q", parts[nearest[:, at]].astype(np.float32), queries)
        for at in (K - 1, -1)
    )
    is_tied = (nearest.shape[1] > K) & (last - next_best < _ALIKE)
    bars = np.where(is_tied, last - _ALIKE, np.inf).tolist()
    return [
        TrueNeighbours(own, rows, bar, regions)
        for own, rows, bar in zip(itself.tolist(), nearest[:, :K], bars, strict=True)
    ]


def without(
    excluded: NDArray[np.int64], rows: NDArray[np.int64], regions: int = 1
) -> NDArray[np.int64]:
    """From (queries, k + 1) rows the first k that are not of the query's own image.

    An image finds itself whatever the setting: that would flatter every measurement.
    """
    order = np.argsort(rows // regions == excluded[:, None], axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1)[:, :-1]
