"""FAISS: candidates from a compressed index, then exact scores from the stored vectors."""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.backends.base import Hits
from indexer.errors import VersionDamaged
from indexer.manifest import IDS, INDEX, VECTORS, CalibrationPoint, Manifest, read_verified
from models.types import Embeddings

_UNIT_NORM_TOLERANCE = 1e-2
_QUICK_NUMBERS = 4_000_000
"""Vectors × dimension that one core compares with a query in 0.3 ms (measured at 768)."""
_CANDIDATES_PER_HIT = 4
"""On deep pages, where the calibrated depth, measured for 10 hits, is less than this."""


class FaissIndex:
    """An open version. Every setting travels with the call: a shared index has no state to race."""

    def __init__(
        self,
        index: Any,
        vectors: NDArray[np.float16],
        ids: NDArray[np.int64],
        calibration: list[CalibrationPoint],
    ) -> None:
        self._index = index
        self._vectors = vectors
        self._ids = ids
        self._calibration = calibration
        self._nlist = faiss.extract_index_ivf(index).nlist if calibration else 0

    @property
    def count(self) -> int:
        return len(self._ids)

    @property
    def is_quick(self) -> bool:
        return not self._calibration and self._vectors.size <= _QUICK_NUMBERS

    def search(self, queries: Embeddings, k: int, recall: float) -> Hits:
        _require_unit(queries)
        point = self._point_for(recall)
        if point is None:
            scores, rows = self._index.search(queries, min(k, self.count))
            return _padded(self._ids[rows], scores, k)
        depth = min(max(point.rerank, _CANDIDATES_PER_HIT * k), self.count)
        nprobe = point.nprobe
        rows = self.candidates(queries, depth, nprobe)
        # The lists probed may hold fewer than k: probe on rather than answer short.
        while nprobe < self._nlist and np.any(rows[:, min(k, depth) - 1] < 0):
            nprobe *= 2
            rows = self.candidates(queries, depth, nprobe)
        return self._rerank(queries, rows, k)

    def candidates(self, queries: Embeddings, depth: int, nprobe: int) -> NDArray[np.int64]:
        """Row numbers (queries, depth) by compressed scores; −1 where the lists hold fewer."""
        ivf = faiss.SearchParametersIVF(nprobe=nprobe)
        params = faiss.SearchParametersPreTransform(index_params=ivf)
        return self._index.search(queries, depth, params=params)[1]  # type: ignore[no-any-return]

    def best_rows(
        self, queries: Embeddings, rows: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Exact scores of the candidate rows (queries, depth); the best k of them, in order."""
        candidates = self._vectors[rows].astype(np.float32)
        scores = np.einsum("qd,qcd->qc", queries, candidates, optimize=True)
        scores[rows < 0] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)

    def vector_of(self, image_id: int) -> NDArray[np.float32] | None:
        row = int(np.searchsorted(self._ids, image_id))  # ids ascend: rows are in id order
        if row == len(self._ids) or self._ids[row] != image_id:
            return None
        return np.asarray(self._vectors[row], np.float32)

    def _point_for(self, recall: float) -> CalibrationPoint | None:
        """The cheapest setting that reached `recall`, or the best there is; None: exact index."""
        if not self._calibration:
            return None
        reaching = (point for point in self._calibration if point.recall >= recall)
        return next(reaching, self._calibration[-1])

    def _rerank(self, queries: Embeddings, rows: NDArray[np.int64], k: int) -> Hits:
        best, scores = self.best_rows(queries, rows, k)
        return _padded(np.where(best >= 0, self._ids[best], -1), scores, k)


def open_version(folder: Path) -> tuple[Manifest, FaissIndex]:
    """Verify a version's files, then open them. Raises VersionDamaged."""
    manifest = read_verified(folder)
    try:
        ids = np.load(folder / IDS)
        vectors = map_vectors(folder / VECTORS, (manifest.count, manifest.dim))
        index = faiss.read_index(str(folder / INDEX))
    except (ValueError, RuntimeError, OSError) as error:
        raise VersionDamaged(f"{folder.name}: {error}") from error
    if not index.ntotal == len(ids) == manifest.count:
        raise VersionDamaged(f"{folder.name}: its files hold different numbers of images")
    return manifest, FaissIndex(index, vectors, ids, manifest.calibration)


def map_vectors(path: Path, shape: tuple[int, int]) -> NDArray[np.float16]:
    """The (count, dim) embeddings of a version, memory-mapped, read-only."""
    if shape[0] == 0:
        return np.empty(shape, np.float16)  # an empty file cannot be mapped
    return np.memmap(path, np.float16, "r", shape=shape)


def _padded(ids: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Hits:
    missing = k - ids.shape[1]
    if not missing:
        return Hits(ids, scores)
    tail = ((0, 0), (0, missing))
    return Hits(
        np.pad(ids, tail, constant_values=-1), np.pad(scores, tail, constant_values=-np.inf)
    )


def _require_unit(queries: Embeddings) -> None:
    """FAISS answers anything for a zero vector and id −1 for NaN: refuse both."""
    squares = np.einsum("qd,qd->q", queries, queries).tolist()
    if not all(abs(square - 1) < 2 * _UNIT_NORM_TOLERANCE for square in squares):
        raise ValueError("queries must be finite and of unit length")
