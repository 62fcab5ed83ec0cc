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

from indexer.backends.base import Among, Hits, Modality, nothing, point_for, require_unit
from indexer.backends.filtered import (
    LEAST_DEPTH,
    Lists,
    exact_cost,
    search_exactly_among,
    selector_of,
)
from indexer.backends.stored_vectors import exact_index
from indexer.versions.manifest import INDEX, LISTS, Calibration, CalibrationPoint, Manifest
from models.types import Embeddings

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

    regions = 1

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
        self._lists: Any = None if index is None else Lists(index, self.count)
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

    def search(
        self,
        queries: Embeddings,
        k: int,
        recall: float,
        modality: Modality,
        among: Among | None = None,
    ) -> Hits:
        require_unit(queries)
        assert not isinstance(among, str)  # noqa: S101 - an expression is for Milvus
        matching = self.count if among is None else int(np.count_nonzero(among))
        if matching == self.count:
            among = None
        with _threads_for(queries):
            if self._calibration is None or not matching:
                return self.search_exactly(queries, k, among)
            point = point_for(getattr(self._calibration, modality), recall)
            if among is not None:
                return self._search_among(queries, k, point, among, matching)
            candidates = min(_CANDIDATES_PER_HIT * k, self.count)
            nprobe = max(point.nprobe, ceil(candidates * self._nlist / self.count))
            return self.search_at(queries, k, nprobe, max(point.rerank, candidates))

    def _search_among(
        self,
        queries: Embeddings,
        k: int,
        point: CalibrationPoint,
        among: NDArray[np.bool_],
        matching: int,
    ) -> Hits:
        """What costs less: scoring each row that passes, or probing the lists for them."""
        candidates = min(_CANDIDATES_PER_HIT * k, matching)
        depth = min(max(point.rerank, candidates, LEAST_DEPTH), matching)
        wide = self._lists.widened(point.nprobe, queries, among, matching)
        nprobe = max(wide, ceil(candidates * self._nlist / matching))
        if self._lists.cost(nprobe, depth, matching) > exact_cost(matching):
            return self.search_exactly(queries, k, among)
        return self.search_at(queries, k, nprobe, depth, selector_of(among))

    def search_exactly(
        self, queries: Embeddings, k: int, among: NDArray[np.bool_] | None = None
    ) -> Hits:
        """By scanning everything, or everything `among` (count,)."""
        matching = self.count if among is None else int(np.count_nonzero(among))
        if not matching:
            return nothing(len(queries), k)
        found = min(k, matching)
        if among is None:
            scores, rows = self._exact.search(queries, found)
        else:
            scores, rows = search_exactly_among(self._exact, self._vectors, queries, found, among)
        return self._hits(scores, rows, k)

    def search_at(
        self, queries: Embeddings, k: int, nprobe: int, depth: int, selector: Any = None
    ) -> Hits:
        """The best k of `depth` candidates from `nprobe` inverted lists."""
        found = min(k, depth)
        while True:
            refining = _kept_refining if selector is None else _refining
            params = refining(nprobe, depth, found, selector, rotated=self._is_rotated)
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
        row = self.row_of(image_id)
        return None if row is None else np.asarray(row, np.float32)

    def row_of(self, image_id: int) -> NDArray[np.float16] | None:
        row = int(np.searchsorted(self._ids, image_id))  # ids ascend: rows are in id order
        if row == len(self._ids) or self._ids[row] != image_id:
            return None
        stored: NDArray[np.float16] = self._vectors[row]
        return stored

    def may_hold(self, image_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Shape (n,): exactly those that it holds."""
        return rows_of(self._ids, image_ids)[1]

    def vectors_of(
        self, image_ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        rows, is_held = rows_of(self._ids, image_ids)
        return self._vectors[rows[is_held]].astype(np.float32), is_held

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


def rows_of(
    ids: NDArray[np.int64], image_ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The places of the images (n,) among `ids`, which ascend, and which of them are there."""
    rows = np.searchsorted(ids, image_ids)
    is_held = rows < len(ids)
    is_held[is_held] = ids[rows[is_held]] == image_ids[is_held]
    return rows, is_held


def read_index(folder: Path, manifest: Manifest) -> faiss.Index:
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


def _refining(nprobe: int, depth: int, found: int, selector: Any, *, rotated: bool) -> Any:
    probing = _probing(nprobe, selector, rotated=rotated)
    # FAISS multiplies and cuts to a whole number: the half keeps rounding off the depth.
    return faiss.IndexRefineSearchParameters(
        k_factor=(depth + 0.5) / found, base_index_params=probing
    )


_kept_refining = lru_cache(_SETTINGS_KEPT)(_refining)
"""For searches without a filter: to make them anew takes 30 µs; nothing changes them. Not by the
index: what is in a cycle stays in memory until the garbage collector comes, which a server spares.
"""


def _probing(nprobe: int, selector: Any = None, *, rotated: bool) -> Any:
    """`rotated`: the index is wrapped in a rotation, and so are its parameters."""
    ivf = faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)
    return faiss.SearchParametersPreTransform(index_params=ivf) if rotated else ivf
