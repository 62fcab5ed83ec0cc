"""What is asked of a search."""

import json
import unicodedata
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.images.keys import Key
from app.images.schemas import MAX_URL
from app.search.cursor import MAX_CURSOR
from app.text import EncodableText, StorableText
from indexer.attributes import MAX_NAME

MAX_TEXT = 1_000
MAX_HITS = 1_000
MAX_PARTS = 16
MAX_WEIGHT = 10
MAX_FACETS = 10
MAX_SORT = MAX_NAME + 1
_MAX_NESTING = 50

QueryText = Annotated[EncodableText, Field(min_length=1, max_length=MAX_TEXT)]
Include = Literal["attributes", "embedding", "regions"]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


def _parsed_sort(given: object) -> object:
    """`price` and `-price` as what they are short for."""
    if not isinstance(given, str):
        return given
    return {"field": given.removeprefix("-"), "order": "desc" if given[:1] == "-" else "asc"}


def _transportable(given: dict[str, Any]) -> dict[str, Any]:
    """JSON as Python reads it holds more than JSON: NaN, halves of characters."""
    if not _is_shallow(given, _MAX_NESTING):
        raise ValueError("is nested too deeply")
    try:
        json.dumps(given, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise ValueError("holds a lone surrogate, or a number that is not finite") from None
    return given


def _is_shallow(given: dict[str, Any] | list[Any], levels: int) -> bool:
    inner = given.values() if isinstance(given, dict) else given
    return levels > 0 and all(
        _is_shallow(each, levels - 1) for each in inner if isinstance(each, dict | list)
    )


def _base64_text(given: str) -> str:
    if not given.isascii():
        raise ValueError("is not base64")
    return given


FieldName = Annotated[
    StorableText, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_composed)
]
"""Of an attribute."""

FilterObject = Annotated[
    dict[str, Any],
    AfterValidator(_transportable),
    Field(
        examples=[
            {"category": "신발", "price": {"lte": 50000}, "not": {"품절": True}},
            {"any": [{"브랜드": ["눈길", "해솔"]}, {"할인": True}]},
        ]
    ),
]
"""What of it is a filter, indexer.columns says."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class ImageReference(_Strict):
    """Exactly one of `id`, `url` and `base64`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": "sku-1"}, {"url": "https://cdn.example/빨간-운동화.jpg"}]
        }
    )

    id: Key | None = None
    """An image of the collection. It is left out of the answer."""
    url: Annotated[StorableText, Field(min_length=1, max_length=MAX_URL)] | None = None
    """A picture that the server fetches."""
    base64: Annotated[str, Field(min_length=1), AfterValidator(_base64_text)] | None = None
    """The picture file itself; line breaks are passed over."""

    @model_validator(mode="after")
    def _one_picture(self) -> "ImageReference":
        if [self.id, self.url, self.base64].count(None) != 2:
            raise ValueError("give exactly one of id, url and base64")
        return self


class QueryPart(_Strict):
    """Exactly one of `text` and `image`, and how much it counts."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [{"text": "꽃무늬", "weight": -0.5}, {"image": {"id": "sku-1"}}]
        },
    )

    text: QueryText | None = None
    """Korean or English."""
    image: ImageReference | None = None
    """A picture."""
    weight: float = Field(1.0, ge=-MAX_WEIGHT, le=MAX_WEIGHT, allow_inf_nan=False)
    """Less than 0: away from it. Not 0."""

    @model_validator(mode="after")
    def _one_thing(self) -> "QueryPart":
        if (self.text is None) == (self.image is None):
            raise ValueError("give exactly one of text and image")
        if not self.weight:
            raise ValueError("a weight is not 0")
        return self


class SortBy(_Strict):
    """Images without the field come last, in either order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"field": "price", "order": "asc"}]})

    field: FieldName
    """To sort by: of one value, not a list."""
    order: Literal["asc", "desc"] = "asc"
    """The lowest or the highest first."""


Sort = Annotated[SortBy, BeforeValidator(_parsed_sort, json_schema_input_type=SortBy | str)]


class Paging(_Strict):
    k: int = Field(20, ge=1, le=MAX_HITS)
    """Hits of a page. All pages together have at most 1,000."""
    cursor: Annotated[EncodableText, Field(min_length=1, max_length=MAX_CURSOR)] | None = None
    """`next_cursor` of the page before, with the same request."""


class SearchOptions(Paging):
    """What both forms of a search have."""

    recall: float | None = Field(None, gt=0, le=1)
    """recall@10 to aim at; null: the collection's own."""
    min_relevance: float = Field(0.0, ge=0, le=1)
    """Images of less relevance are no hits, and do not count in facets."""
    facets: list[FieldName] = Field(
        default_factory=list, max_length=MAX_FACETS, examples=[["브랜드", "category"]]
    )
    """Fields whose values are counted over the candidates."""
    group_by: FieldName | None = Field(None, examples=["product_id"])
    """A field: of the images with the same value only the first is a hit."""
    collapse_duplicates: bool = False
    """Whether of pictures that are nearly the same only the first is a hit."""
    diversity: float = Field(0.0, ge=0, le=1)
    """0: the most like; 1: each hit as unlike those before it as can be."""
    include: list[Include] = Field(default_factory=list, max_length=8)
    """What hits show besides."""
    verbatim: bool = False
    """Whether texts are meant as they are: nothing that looks mistyped is repaired."""


class SearchRequest(SearchOptions):
    """At least one of `text`, `image` and `queries`; together they are one query, the sum of their
    embeddings by weight.
    """

    model_config = ConfigDict(
        strict=True,  # in JSON true is not 1, nor is "20" 20; in an address all is text
        json_schema_extra={
            "examples": [
                {"text": "빨간 운동화"},
                {
                    "text": "빨간 원피스",
                    "queries": [{"text": "꽃무늬", "weight": -0.5}],
                    "filter": {"price": {"lte": 50000}, "not": {"품절": True}},
                    "facets": ["브랜드"],
                    "group_by": "상품",
                    "k": 20,
                    "include": ["attributes"],
                },
                {"image": {"id": "sku-1"}, "diversity": 0.3, "collapse_duplicates": True},
            ]
        },
    )

    text: QueryText | None = None
    """Korean or English, as people type it. Its weight is 1."""
    image: ImageReference | None = None
    """A picture to find the like of. Its weight is 1."""
    queries: list[QueryPart] = Field(default_factory=list, max_length=MAX_PARTS)
    """Further parts of the query, with weights of their own."""
    filter: FilterObject | None = None
    """Conditions on attributes, all of which hold: by field a value, a list of values, or operators
    (eq, in, ne, gt, gte, lt, lte, exists). `any`, `all` and `not` combine.
    """
    sort: Sort | None = None
    """The candidates by a field instead of by likeness: an object, `"price"` or `"-price"`."""

    @model_validator(mode="after")
    def _asks(self) -> "SearchRequest":
        if self.text is None and self.image is None and not self.queries:
            raise ValueError("give at least one of text, image and queries")
        if self.sort is not None and self.diversity:
            raise ValueError("sort and diversity are two orders: give one")
        return self

    @property
    def pictures(self) -> list[ImageReference]:
        """Those that it is asked with."""
        given = [self.image, *(part.image for part in self.queries)]
        return [image for image in given if image is not None]

    @property
    def is_plain(self) -> bool:
        """Whether a text or an image alone is asked for its nearest."""
        return not (self.queries or self.filter or self.is_reordered)

    @property
    def is_reordered(self) -> bool:
        """Whether the nearest are not the answer, but what it is chosen from."""
        return bool(self.sort or self.group_by or self.collapse_duplicates or self.diversity)
