"""How the rows that a filter leaves are searched: each exactly, or through the inverted lists."""

from functools import cached_property
from math import ceil
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.backends.costs import CODE_NS, GATHERED_NS, LIST_NS, PACKED_CODE_NS, RERANK_NS
from indexer.backends.stored_vectors import exact_index
from models.types import Embeddings

LEAST_DEPTH = 400
"""Candidates that are scored exactly: of what lies farther away compressed scores tell less."""
_GATHERED = 32_768
"""Rows that are copied together to be scored: of more, FAISS picks its way through all."""
_LISTS_SAMPLED, _ROWS_SAMPLED = 32, 32
"""How many of the lists nearest to a query, and of the rows of each, tell how dense the rows that
pass are there.
"""
_DENSE = 1 / 2
"""Of the share of all rows that pass: from there on the filter does not lead the query away."""
_DENSE_WIDER, _SPARSE_WIDER = 1.25, 6
_LEAST_SEEN = 3_000
"""Rows that pass, in the lists that are probed. Chosen, as the two before, for recall@10 of 0.96 at
least where 0.95 is asked: figures in docs/decisions/0012-filters.md.
"""


class Lists:
    """The inverted lists of an index, as a filter sees them."""

    def __init__(self, index: Any, rows: int) -> None:
        self._ivf = faiss.downcast_index(faiss.extract_index_ivf(index))
        self._rotation = None
        if isinstance(index, faiss.IndexPreTransform):
            self._rotation = faiss.downcast_VectorTransform(index.chain.at(0))
        self.rows = rows
        self.count: int = self._ivf.nlist
        self._are_packed = isinstance(self._ivf, faiss.IndexIVFPQFastScan)

    def widened(
        self, nprobe: int, queries: Embeddings, among: NDArray[np.bool_], matching: int
    ) -> int:
        """Lists to probe where the calibrated number is `nprobe`, and so many rows pass.

        Where the query's neighbourhood holds as many that pass as anywhere, hardly more lists are
        needed than for all rows, only so many that there are enough to choose from. Where it
        holds few, what passes lies anywhere: lists are probed until there are _SPARSE_WIDER times
        as many such rows as calibration saw of all.
        """
        share, density = matching / self.rows, self._density(queries, among)
        least = _LEAST_SEEN * self.count / self.rows
        if density >= share * _DENSE:
            wide = max(nprobe * _DENSE_WIDER, least / density)
        else:
            wide = max(nprobe, least) * _SPARSE_WIDER / share
        return min(self.count, ceil(wide))

    def cost(self, nprobe: int, depth: int, matching: int) -> float:
        """Nanoseconds that probing so many lists takes, and `depth` exact scores."""
        code_ns = PACKED_CODE_NS if self._are_packed else CODE_NS * matching / self.rows
        return nprobe * (LIST_NS + code_ns * self.rows / self.count) + depth * RERANK_NS

    def _density(self, queries: Embeddings, among: NDArray[np.bool_]) -> float:
        """Which share passes of the rows near the query for which that is least."""
        turned = queries if self._rotation is None else self._rotation.apply(queries)
        near = self._ivf.quantizer.search(turned, min(_LISTS_SAMPLED, self.count))[1]
        return float(among[self._sample[near]].mean(axis=(1, 2)).min())

    @cached_property
    def _sample(self) -> NDArray[np.int64]:
        """Shape (lists, _ROWS_SAMPLED): rows of each list, over again where it has fewer."""
        lists = self._ivf.invlists
        sample = np.zeros((self.count, _ROWS_SAMPLED), np.int64)
        for number in range(self.count):
            if size := min(lists.list_size(number), _ROWS_SAMPLED):
                rows = faiss.rev_swig_ptr(lists.get_ids(number), size)
                sample[number] = np.resize(rows, _ROWS_SAMPLED)
        return sample


def exact_cost(matching: int) -> float:
    """Nanoseconds that scoring so many rows takes, wherever they lie."""
    return matching * GATHERED_NS


def selector_of(among: NDArray[np.bool_]) -> Any:
    """FAISS's, a bit a row; it keeps the bits."""
    return faiss.IDSelectorBitmap(np.packbits(among, bitorder="little"))


def search_exactly_among(
    exact: faiss.Index,
    vectors: NDArray[np.float16],
    queries: Embeddings,
    k: int,
    among: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores and row numbers (queries, k) of the best of the rows that pass, k of them at least.

    `exact` is an index of `vectors`.
    """
    if np.count_nonzero(among) > _GATHERED:
        params = faiss.SearchParameters(sel=selector_of(among))
        return exact.search(queries, k, params=params)  # type: ignore[no-any-return]
    rows = np.flatnonzero(among)
    gathered = vectors[rows]
    scores, places = exact_index(gathered).search(queries, k)
    return scores, rows[places]
