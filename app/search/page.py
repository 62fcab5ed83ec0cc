"""One page of an answer: what it is made from, and the hits that clients see."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

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
        images = np.array([row.image_id for row, _, _ in ranked[: len(hits)]], np.int64)
        for hit, embedding in zip(hits, _embeddings(search.collection, images), strict=True):
            hit.embedding = embedding
    return hits


def _box(collection: Snapshot, image: int, region: int) -> Region | None:
    scheme = collection.segments.regions
    return Region(*scheme.box(image, region)) if scheme else None


def _embeddings(collection: Snapshot, images: NDArray[np.int64]) -> list[str | None]:
    """Of the images (n,), in base64; None for one that is gone."""
    vectors, is_held = collection.segments.delta.held_vectors(images)
    held = iter(vectors)
    return [_encoded(next(held)) if here else None for here in is_held.tolist()]


def _encoded(vector: NDArray[np.float32]) -> str:
    unit = vector / np.linalg.norm(vector)
    return base64.b64encode(unit.astype("<f4").tobytes()).decode("ascii")
