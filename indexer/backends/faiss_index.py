"""FAISS: candidates from a compressed index, then exact scores from the stored vectors."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.backends.base import Hits, Modality
from indexer.backends.stored_vectors import exact_index, map_vectors
from indexer.errors import VersionDamaged
from indexer.versions.manifest import (
    IDS,
    INDEX,
    LISTS,
    VECTORS,
    Calibration,
    CalibrationPoint,
    Manifest,
)
from indexer.versions.verified import read_verified
from models.types import Embeddings

_UNIT_NORM_TOLERANCE = 1e-2
_QUICK_NUMBERS = 4_000_000
"""Vectors × dimension that one core compares with a query in 0.3 ms (measured at 768)."""
_SETTINGS_KEPT = 64
_CANDIDATES_PER_HIT = 4
"""On deep pages, where the calibrated setting, measured for 10 hits, means less than this: so many
are scored exactly, from as many lists as hold them on average.
"""


class FaissIndex:
    """An open version. Every setting travels with the call: a shared index has no state to race.

    Without an `index`, a faiss.Index, every search is exact, whatever recall it asks for.
    """

    def __init__(
        self,
        index: Any,
        vectors: NDArray[np.float16],
        ids: NDArray[np.int64],
        calibration: Calibration | None,
    ) -> None:
        self._index = index
        self._vectors = np.asarray(vectors)  # a memmap makes a memmap of every answer
        self._ids = np.asarray(ids)
        self._calibration = calibration
        self._exact = exact_index(self._vectors)
        self._refined: Any = None if index is None else faiss.IndexRefine(index, self._exact)
        self._nlist = 0 if index is None else faiss.extract_index_ivf(index).nlist
        self._is_rotated = isinstance(index, faiss.IndexPreTransform)

    @property
    def count(self) -> int:
        return len(self._ids)

    @property
    def is_quick(self) -> bool:
        return self._index is None and self._vectors.size <= _QUICK_NUMBERS

    @property
    def nlist(self) -> int:
        """Inverted lists; 0 where search is exact."""
        return self._nlist

    @property
    def list_sizes(self) -> NDArray[np.int64]:
        """Shape (nlist,): vectors in each inverted list."""
        if self._index is None:
            return np.zeros(0, np.int64)
        lists = faiss.extract_index_ivf(self._index).invlists
        return np.array([lists.list_size(number) for number in range(self._nlist)])

    @property
    def ids(self) -> NDArray[np.int64]:
        """Shape (count,), ascending: the images, in the order of `vectors`."""
        return self._ids

    @property
    def vectors(self) -> NDArray[np.float16]:
        """Shape (count, dim), memory-mapped."""
        return self._vectors

    def search(self, queries: Embeddings, k: int, recall: float, modality: Modality) -> Hits:
        _require_unit(queries)
        with _threads_for(queries):
            if self._calibration is None:
                return self.search_exactly(queries, k)
            point = _point_for(getattr(self._calibration, modality), recall)
            candidates = min(_CANDIDATES_PER_HIT * k, self.count)
            nprobe = max(point.nprobe, ceil(candidates * self._nlist / self.count))
            return self.search_at(queries, k, nprobe, max(point.rerank, candidates))

    def search_exactly(self, queries: Embeddings, k: int) -> Hits:
        """By scanning everything."""
        if not self.count:
            nothing = np.full((len(queries), k), -1, np.int64)
            return Hits(nothing, np.full((len(queries), k), -np.inf, np.float32))
        scores, rows = self._exact.search(queries, min(k, self.count))
        return self._hits(scores, rows, k)

    def search_at(self, queries: Embeddings, k: int, nprobe: int, depth: int) -> Hits:
        """The best k of `depth` candidates from `nprobe` inverted lists."""
        found = min(k, depth)
        while True:
            params = _refining(nprobe, depth, found, rotated=self._is_rotated)
            scores, rows = self._refined.search(queries, found, params=params)
            # The lists probed may hold fewer than k: probe on rather than answer short.
            if nprobe >= self._nlist or rows[:, -1].min() >= 0:
                return self._hits(scores, rows, k)
            nprobe *= 2

    def candidates(self, queries: Embeddings, depth: int, nprobe: int) -> NDArray[np.int64]:
        """Row numbers (queries, depth) by compressed scores; −1 where the lists hold fewer."""
        params = _probing(nprobe, rotated=self._is_rotated)
        return self._index.search(queries, depth, params=params)[1]  # type: ignore[no-any-return]

    def vector_of(self, image_id: int) -> NDArray[np.float32] | None:
        row = int(np.searchsorted(self._ids, image_id))  # ids ascend: rows are in id order
        if row == len(self._ids) or self._ids[row] != image_id:
            return None
        return np.asarray(self._vectors[row], np.float32)

    def _hits(self, scores: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> Hits:
        ids = self._ids[rows]
        if rows[:, -1].min() < 0:
            missing = rows < 0
            ids[missing], scores[missing] = -1, -np.inf
        if (short := k - rows.shape[1]) == 0:
            return Hits(ids, scores)
        tail = ((0, 0), (0, short))
        return Hits(
            np.pad(ids, tail, constant_values=-1), np.pad(scores, tail, constant_values=-np.inf)
        )


def open_version(folder: Path) -> tuple[Manifest, FaissIndex]:
    """Verify a version's files, then open them. Raises VersionDamaged."""
    manifest, _ = read_verified(folder)
    return manifest, open_files(folder, manifest)


def open_files(folder: Path, manifest: Manifest) -> FaissIndex:
    """Open a version whose files were verified. Raises VersionDamaged."""
    try:
        ids = np.load(folder / IDS, mmap_mode="r" if manifest.count else None)
        vectors = map_vectors(folder / VECTORS, (manifest.count, manifest.dim))
        index = None if manifest.is_exact else _read_index(folder, manifest)
    except (ValueError, RuntimeError, OSError) as error:
        raise VersionDamaged(f"{folder.name}: {error}") from error
    if len(ids) != manifest.count or (index is not None and index.ntotal != manifest.count):
        raise VersionDamaged(f"{folder.name}: its files hold different numbers of images")
    return FaissIndex(index, vectors, ids, manifest.calibration)


def _read_index(folder: Path, manifest: Manifest) -> faiss.Index:
    if LISTS not in manifest.files:
        return faiss.read_index(str(folder / INDEX), faiss.IO_FLAG_READ_ONLY)
    # Without its lists, and then those: the index remembers where they lay when it was built,
    # and FAISS prints a line to standard output where it is told to look beside the index.
    index = faiss.read_index(
        str(folder / INDEX), faiss.IO_FLAG_READ_ONLY | faiss.IO_FLAG_SKIP_IVF_DATA
    )
    lists = faiss.downcast_InvertedLists(faiss.extract_index_ivf(index).invlists)
    lists.filename = str(folder / LISTS)
    lists.do_mmap()
    lists.prefetch_nthread = 0  # it starts 32 threads a search otherwise
    return index


@contextmanager
def _threads_for(queries: Embeddings) -> Iterator[None]:
    """A query by itself is the work of the thread that asks. FAISS would start a team in each such
    thread, and wait for it: 17 ms instead of 0.7 (9,000 × 512, exactly, two cores, others at work).
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(min(threads, len(queries)))  # of the calling thread alone
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


@lru_cache(_SETTINGS_KEPT)
def _refining(nprobe: int, depth: int, found: int, *, rotated: bool) -> Any:
    """Kept, as to make them anew takes 30 µs a search; nothing changes them. Not by the index: what
    is in a cycle stays in memory until the garbage collector comes, which a server spares.
    """
    # FAISS multiplies and cuts to a whole number: the half keeps rounding off the depth.
    return faiss.IndexRefineSearchParameters(
        k_factor=(depth + 0.5) / found, base_index_params=_probing(nprobe, rotated=rotated)
    )


def _probing(nprobe: int, *, rotated: bool) -> Any:
    """`rotated`: the index is wrapped in a rotation, and so are its parameters."""
    ivf = faiss.SearchParametersIVF(nprobe=nprobe)
    return faiss.SearchParametersPreTransform(index_params=ivf) if rotated else ivf


def _point_for(points: list[CalibrationPoint], recall: float) -> CalibrationPoint:
    """The cheapest setting that reached `recall`, or the best there is."""
    return next((point for point in points if point.recall >= recall), points[-1])


def _require_unit(queries: Embeddings) -> None:
    """FAISS answers anything for a zero vector and id −1 for NaN: refuse both."""
    squares = np.vecdot(queries, queries).tolist()
    if not all(abs(square - 1) < 2 * _UNIT_NORM_TOLERANCE for square in squares):
        raise ValueError("queries must be finite and of unit length")
