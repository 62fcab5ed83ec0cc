"""The shape of a search: what is asked and what is answered."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.images.keys import Key
from app.text import EncodableText

MAX_TEXT = 1_000
MAX_HITS = 1_000


QueryText = Annotated[EncodableText, Field(min_length=1, max_length=MAX_TEXT)]
Include = Literal["attributes"]


class ImageReference(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: Key
    """An image of the collection."""


class SearchRequest(BaseModel):
    """Exactly one of `text` and `image`."""

    model_config = ConfigDict(extra="forbid")

    text: QueryText | None = None
    image: ImageReference | None = None
    k: int = Field(20, ge=1, le=MAX_HITS)
    recall: float | None = Field(None, gt=0, le=1)
    """recall@10 to aim at; None: the collection's own."""
    min_relevance: float = Field(0.0, ge=0, le=1)
    include: list[Include] = Field([], max_length=8)

    @model_validator(mode="after")
    def _one_query(self) -> "SearchRequest":
        if (self.text is None) == (self.image is None):
            raise ValueError("give exactly one of text and image")
        return self


@dataclass(slots=True)
class Query:
    text: str | None = None
    normalized: str | None = None
    language: Literal["ko", "en"] | None = None
    repaired_from: str | None = None


@dataclass(slots=True)
class Hit:
    """No model, nor frozen, which take 2 µs and 1 µs to make: an answer has up to a thousand."""

    id: str
    score: float
    """Cosine."""
    relevance: float
    """0 … 1, comparable between queries and collections."""
    uri: str
    thumbnail: str
    width: int
    height: int
    attributes: dict[str, Any] | None = None


@dataclass(slots=True)
class Timings:
    encode: float
    search: float
    total: float


class SearchResponse(BaseModel):
    query: Query
    hits: list[Hit]
    version: str | None
    """The index version that answered; None where nothing was ever indexed."""
    timings_ms: Timings
