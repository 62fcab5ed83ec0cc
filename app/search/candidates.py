"""The images that facets count, and that sorting, grouping and diversity choose from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.search.page import Search
from indexer.columns.filters import Filter
from indexer.live.delta import Delta
from indexer.live.nearest import nearest

CANDIDATES = 1_000


@dataclass(frozen=True, slots=True)
class Candidates:
    """The nearest that pass the filter and are relevant enough, best first."""

    ids: NDArray[np.int64]
    """Shape (n,)."""
    cosines: NDArray[np.float32]
    """Shape (n,)."""
    relevances: NDArray[np.float64]
    """Shape (n,), as hits show them."""
    regions: NDArray[np.int64]
    """Shape (n,): which of an image's regions is so near; 0: the whole."""

    def at(self, places: NDArray[np.int64]) -> "Candidates":
        return Candidates(
            self.ids[places], self.cosines[places], self.relevances[places], self.regions[places]
        )


def candidates_of(search: Search, filter: Filter | None) -> Candidates:  # noqa: A002 - its name
    """Those of the search under that filter: its own, or what is left of it for a facet."""
    segments, query = search.collection.segments, search.query
    ids, cosines, regions = nearest(
        segments.version.index if segments.version else None,
        segments.delta,
        query.embedding,
        CANDIDATES + len(query.asking),
        search.recall,
        query.modality,
        None if filter is None else segments.attributes.select(filter),
    )
    relevances = query.relevances(cosines)
    found = Candidates(ids, cosines, relevances, regions)
    answering = relevances >= search.request.min_relevance
    if query.asking:
        answering &= ~np.isin(ids, [*query.asking])
    return found.at(np.flatnonzero(answering)[:CANDIDATES])


def unit_vectors(delta: Delta, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Shape (held, dim): the stored embeddings of those ids (n,) that have one, in their order."""
    vectors = delta.vectors_of(ids)
    vectors /= np.sqrt(np.vecdot(vectors, vectors))[:, None]
    return vectors


def likeness_vectors(delta: Delta, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """The same of all (n, dim): what went from Milvus a moment ago is like nothing."""
    vectors, is_held = delta.held_vectors(ids)
    vectors /= np.sqrt(np.vecdot(vectors, vectors))[:, None]
    if is_held.all():
        return vectors
    whole = np.zeros((len(ids), delta.dim), np.float32)
    whole[is_held] = vectors
    return whole
