"""One page of an answer: what it is made from, and the hits that clients see."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.search.cursor import MAX_SHOWN
from app.search.query_vector import QueryVector
from app.search.response import FacetValue, Hit, Region
from app.search.rows import Row
from app.search.schemas import SearchRequest
from app.serving.snapshot import Snapshot
from indexer.columns.filters import Filter

RowsOf = Callable[[Sequence[int]], dict[int, Row]]

Ranked = tuple[Row, float, int]
"""An image, its cosine, and which of its regions that is of."""


@dataclass(slots=True)
class Search:
    """A request, understood: all that finding the hits takes."""

    collection: Snapshot
    request: SearchRequest
    query: QueryVector
    filter: Filter | None
    shown: frozenset[int]
    """Images of the pages before."""

    @property
    def k(self) -> int:
        """Hits of this page, at most."""
        return min(self.request.k, MAX_SHOWN - len(self.shown))

    @property
    def recall(self) -> float:
        return self.request.recall or self.collection.recall


@dataclass(slots=True)
class Page:
    hits: list[Hit]
    images: list[int]
    """Ids of the hits' images."""
    has_next: bool
    facets: dict[str, list[FacetValue]] = field(default_factory=dict)


def hits_of(search: Search, ranked: Sequence[Ranked]) -> list[Hit]:
    """Those that are relevant enough."""
    scores = np.array([score for _, score, _ in ranked])
    relevances = search.query.relevances(scores)
    floor = search.request.min_relevance
    hits = [
        Hit(
            id=row.key,
            score=score,
            relevance=relevance,
            uri=row.uri,
            thumbnail=row.thumbnail,
            width=row.width,
            height=row.height,
            attributes=row.attributes,
            region=_box(search.collection, row.image_id, region) if region else None,
        )
        for (row, _, region), score, relevance in zip(
            ranked, scores.round(6).tolist(), relevances.tolist(), strict=True
        )
        if relevance >= floor
    ]
    if "embedding" in search.request.include:
        for hit, (row, _, _) in zip(hits, ranked, strict=False):
            hit.embedding = _embedding(search.collection, row.image_id)
    return hits


def _box(collection: Snapshot, image: int, region: int) -> Region | None:
    scheme = collection.segments.regions
    return Region(*scheme.box(image, region)) if scheme else None


def _embedding(collection: Snapshot, image: int) -> str | None:
    vector = collection.segments.delta.vector_of(image)
    if vector is None:
        return None
    unit = vector / np.linalg.norm(vector)
    return base64.b64encode(unit.astype("<f4").tobytes()).decode("ascii")
