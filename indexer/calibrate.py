"""From a recall target to the cheapest search setting that reaches it.

Recall@10 is measured against exact search, on two kinds of query: stored image vectors,
each looking for its neighbours other than itself, and text queries in both languages. Text
lies off the images' distribution, and an index tuned on images alone loses it
(clip-retrieval issue 76); so a setting is as good as the kind that it serves worse.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.backends.faiss_index import FaissIndex
from indexer.manifest import CalibrationPoint
from models.types import Embeddings

_TEXTS = Path(__file__).with_name("calibration_texts.txt")

TARGETS = (0.90, 0.95, 0.99)
_K = 10
_RERANK_DEPTHS = (20, 50, 100, 200, 400)
_IMAGE_QUERIES = 256
_CHUNK = 65_536


def calibrate(
    index: FaissIndex, vectors: NDArray[np.float16], text_queries: Embeddings, nlist: int
) -> list[CalibrationPoint]:
    """A point for each target, ascending; `vectors` is all of (count, dim).

    A target that no setting reaches gets the best setting there is, with the recall that
    it measured: the caller decides whether that is good enough.
    """
    sampled = np.random.default_rng(0).choice(
        len(vectors), min(_IMAGE_QUERIES, len(vectors)), replace=False
    )
    queries = np.concatenate([vectors[sampled].astype(np.float32), text_queries])
    # An image finds itself whatever the setting: that would flatter every measurement.
    itself = np.concatenate([sampled, np.full(len(text_queries), -1)])
    truth = _without(itself, exact_neighbours(vectors, queries, _K + 1))
    measured = []
    for nprobe in _powers_of_two(nlist):
        rows = index.candidates(queries, min(_RERANK_DEPTHS[-1], len(vectors)), nprobe)
        for rerank in _RERANK_DEPTHS:
            best, _ = index.best_rows(queries, rows[:, :rerank], _K + 1)
            recall = _worst_kind(_without(itself, best), truth, len(sampled))
            point = CalibrationPoint(recall=recall, nprobe=nprobe, rerank=rerank, measured=recall)
            measured.append(point)
    return [_cheapest(measured, target) for target in TARGETS]


def calibration_texts() -> list[str]:
    """Everyday Korean and English queries, shipped with the package."""
    return _TEXTS.read_text(encoding="utf-8").splitlines()


def exact_neighbours(
    vectors: NDArray[np.float16], queries: Embeddings, k: int
) -> NDArray[np.int64]:
    """Row numbers (queries, k) of the true nearest, by scanning everything."""
    best = np.full((len(queries), k), -np.inf, np.float32)
    rows = np.full((len(queries), k), -1, np.int64)
    for start in range(0, len(vectors), _CHUNK):
        scores = queries @ vectors[start : start + _CHUNK].astype(np.float32).T
        chunk_rows = np.broadcast_to(np.arange(start, start + scores.shape[1]), scores.shape)
        scores = np.concatenate([best, scores], axis=1)
        all_rows = np.concatenate([rows, chunk_rows], axis=1)
        top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        best = np.take_along_axis(scores, top, axis=1)
        rows = np.take_along_axis(all_rows, top, axis=1)
    order = np.argsort(-best, axis=1)
    return np.take_along_axis(rows, order, axis=1)


def recall_at(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Share of the true neighbours (queries, k) that are among those found."""
    hits = [len(np.intersect1d(*pair)) for pair in zip(found, truth, strict=True)]
    return float(sum(hits) / truth.size)


def _without(excluded: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """From (queries, k + 1) rows the first k that are not the query's own."""
    order = np.argsort(rows == excluded[:, None], axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1)[:, :-1]


def _worst_kind(found: NDArray[np.int64], truth: NDArray[np.int64], images: int) -> float:
    """Recall of the image queries, the first `images`, or of the text queries if that is less."""
    return min(recall_at(found[:images], truth[:images]), recall_at(found[images:], truth[images:]))


def _powers_of_two(limit: int) -> Iterator[int]:
    power = 1
    while power <= limit:
        yield power
        power *= 2


def _cheapest(measured: list[CalibrationPoint], target: float) -> CalibrationPoint:
    reaching = [point for point in measured if point.measured >= target]
    best = (
        min(reaching, key=_cost)
        if reaching
        else max(measured, key=lambda point: (point.measured, -_cost(point)))
    )
    return best.model_copy(update={"recall": target})


def _cost(point: CalibrationPoint) -> int:
    """A rough order of cost: a list holds tens of codes, an exact score reads a whole vector."""
    return 32 * point.nprobe + point.rerank
