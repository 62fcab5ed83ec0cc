"""What a search answers. Dataclasses rather than models, nor frozen: those take 2 µs and 1 µs to
make, and an answer has up to a thousand hits.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

Scalar = str | int | float | bool


def _described(example: JsonDict) -> ConfigDict:
    return ConfigDict(use_attribute_docstrings=True, json_schema_extra={"examples": [example]})


_QUERY: JsonDict = {
    "text": "빨간 운동화",
    "normalized": "빨간 운동화",
    "language": "ko",
    "repaired_from": None,
}
_GROUP: JsonDict = {"value": "p-9", "count": 3}
_REGION: JsonDict = {"x": 0.1, "y": 0.2, "width": 0.5, "height": 0.5}
_HIT: JsonDict = {
    "id": "sku-9",
    "score": 0.312,
    "relevance": 0.94,
    "uri": "https://cdn.example/sku-9.jpg",
    "thumbnail": "/v1/collections/shop/images/sku-9/thumbnail",
    "width": 800,
    "height": 600,
    "attributes": {"브랜드": "눈길", "price": 39000},
    "embedding": None,
    "region": None,
    "group": _GROUP,
    "duplicates": None,
}
_FACET_VALUE: JsonDict = {"value": "눈길", "count": 12}
_TIMINGS: JsonDict = {"encode": 0.4, "search": 0.9, "total": 1.6}


@dataclass(slots=True)
class Query:
    """The text of the request; null where it has none."""

    __pydantic_config__: ClassVar[ConfigDict] = _described(_QUERY)

    text: str | None = None
    """As it was sent."""
    normalized: str | None = None
    """As it was searched by."""
    language: Literal["ko", "en"] | None = None
    """In which it was read."""
    repaired_from: str | None = None
    """What was typed, where it was plainly meant as something else."""


@dataclass(slots=True)
class Group:
    """What a hit stands for, of images that are grouped."""

    __pydantic_config__: ClassVar[ConfigDict] = _described(_GROUP)

    value: Scalar | None
    """Of the field that hits are grouped by; null: the image has no such field."""
    count: int
    """How many other candidates have it."""


@dataclass(slots=True)
class Region:
    """A part of a picture, in fractions of its width and height."""

    __pydantic_config__: ClassVar[ConfigDict] = _described(_REGION)

    x: float
    """Of its left edge."""
    y: float
    """Of its upper edge."""
    width: float
    """1: the whole width."""
    height: float
    """1: the whole height."""


@dataclass(slots=True)
class Hit:
    """An image that was found."""

    __pydantic_config__: ClassVar[ConfigDict] = _described(_HIT)

    id: str
    """Unique in its collection."""
    score: float
    """Cosine."""
    relevance: float
    """0 … 1, comparable between queries and collections."""
    uri: str
    """Where the picture came from."""
    thumbnail: str
    """The address of its thumbnail, on this server."""
    width: int
    """Pixels, upright."""
    height: int
    """Pixels, upright."""
    attributes: dict[str, Any] | None = None
    """Where they were asked for."""
    embedding: str | None = None
    """Where it was asked for: little-endian float32 of unit length, in base64."""
    region: Region | None = None
    """The part of the picture that was found; null: the whole, or it is searched whole."""
    group: Group | None = None
    """With `group_by`."""
    duplicates: int | None = None
    """With `collapse_duplicates`: how many candidates were left out as nearly the same picture."""


@dataclass(slots=True)
class FacetValue:
    """A value of a field, and how often it occurs."""

    __pydantic_config__: ClassVar[ConfigDict] = _described(_FACET_VALUE)

    value: Scalar
    """Of the field."""
    count: int
    """Candidates that have it."""


@dataclass(slots=True)
class Timings:
    """Milliseconds; 0 for what came from memory."""

    __pydantic_config__: ClassVar[ConfigDict] = _described(_TIMINGS)

    encode: float
    """Until the query was a vector."""
    search: float
    """From there to the hits."""
    total: float
    """From the request to the hits."""


class SearchResponse(BaseModel):
    model_config = _described(
        {
            "query": _QUERY,
            "hits": [_HIT],
            "facets": {"브랜드": [_FACET_VALUE]},
            "next_cursor": None,
            "version": "20261121T095254-8cc90b",
            "timings_ms": _TIMINGS,
        }
    )

    query: Query
    """How the text was read."""
    hits: list[Hit]
    """The first is the best."""
    facets: dict[str, list[FacetValue]] = {}
    """By field: the most frequent values first, at most 100."""
    next_cursor: str | None = None
    """For the next page; null where there is none."""
    version: str | None
    """The index version that answered; null where nothing was ever indexed."""
    timings_ms: Timings
    """Where the time went."""
