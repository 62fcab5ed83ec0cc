"""Images as clients see and send them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, model_validator
from pydantic.config import JsonDict

from app.images.keys import Key, NewKey
from app.search.rows import thumbnail_path
from app.text import StorableText
from indexer.catalog.tables import Image
from indexer.live.writes import Status

MAX_URL = 4096

GivenAttributes = dict[str, Any]
"""What of it can be stored, indexer.attributes says."""


_ATTRIBUTES: JsonDict = {"상품명": "빨간 운동화", "price": 39000}
_RECORD: JsonDict = {
    "id": "sku-1",
    "uri": "https://cdn.example/red.jpg",
    "thumbnail": "/v1/collections/shop/images/sku-1/thumbnail",
    "format": "JPEG",
    "width": 1200,
    "height": 900,
    "file_size": 184320,
    "attributes": _ATTRIBUTES,
    "created_at": "2026-11-21T09:50:00Z",
    "updated_at": "2026-11-21T09:50:00Z",
}


class ImageView(BaseModel):
    """What is known of an image."""

    model_config = ConfigDict(
        use_attribute_docstrings=True, json_schema_extra={"examples": [_RECORD]}
    )

    id: str
    """Unique in its collection."""
    uri: str
    """Where the picture came from; `api:` and the id where it was sent."""
    thumbnail: str
    """The address of its thumbnail, on this server."""
    format: str
    """Of the file: JPEG, PNG, WEBP …"""
    width: int
    """Pixels, upright."""
    height: int
    """Pixels, upright."""
    file_size: int
    """Bytes."""
    attributes: dict[str, Any]
    """What filters, facets and sorting go by: texts, numbers, truth values, lists of texts."""
    created_at: datetime
    """When the collection first had it, in UTC."""
    updated_at: datetime
    """When it changed last, in UTC."""


class WrittenImage(ImageView):
    """The record of an image that was written, and what came of the write."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RECORD | {"status": "created"}]})

    status: Status
    """What came of the write."""


def view_of(collection: str, image: Image) -> dict[str, Any]:
    """The fields of an ImageView."""
    return {
        "id": image.key,
        "uri": image.uri,
        "thumbnail": thumbnail_path(collection, image.key),
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "file_size": image.file_size,
        "attributes": image.attributes,
        "created_at": image.created_at,
        "updated_at": image.updated_at,
    }


_GIVEN: JsonDict = {"url": "https://cdn.example/red.jpg", "attributes": _ATTRIBUTES}
_PATCH: JsonDict = {"attributes": {"price": 35000, "할인": True}}


class GivenImage(BaseModel):
    """Exactly one of `url` and `base64`. Without `attributes` an image keeps those it has."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, json_schema_extra={"examples": [_GIVEN]}
    )

    url: Annotated[StorableText, Field(min_length=1, max_length=MAX_URL)] | None = None
    """A picture that the server fetches."""
    base64: str | None = None
    """The picture file; line breaks are passed over."""
    attributes: GivenAttributes | None = None
    """Texts, numbers, truth values, lists of texts, by name; all that the image has."""

    @model_validator(mode="after")
    def _one_picture(self) -> "GivenImage":
        if (self.url is None) == (self.base64 is None):
            raise ValueError("give exactly one of url and base64")
        return self


class AttributesPatch(BaseModel):
    """A JSON merge patch of the attributes: null takes a value away."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, json_schema_extra={"examples": [_PATCH]}
    )

    attributes: GivenAttributes
    """Those that change, by name."""


class PutLine(GivenImage):
    """A picture, as PUT takes it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "sku-4", **_GIVEN}]},
    )

    op: Literal["put"] = "put"
    """May be left out."""
    id: NewKey
    """Of the image; new, or to be replaced."""


class PatchLine(AttributesPatch):
    """Attributes, as PATCH takes them."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"op": "patch", "id": "sku-4", **_PATCH}]}
    )

    op: Literal["patch"]
    """What the line does."""
    id: Key
    """Of the image."""


class DeleteLine(BaseModel):
    """An image that is to go."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"op": "delete", "id": "sku-9"}]},
    )

    op: Literal["delete"]
    """What the line does."""
    id: Key
    """Of the image."""


class LineAnswer(BaseModel):
    """What came of one line of a batch."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {"line": 1, "id": "sku-4", "status": 201},
                {
                    "line": 3,
                    "id": "sku-9",
                    "status": 404,
                    "code": "not_found",
                    "detail": "there is no image of that id",
                },
            ]
        },
    )

    line: int
    """Its number, from 1 on."""
    id: str | None
    """Of the image; null where the line could not be understood."""
    status: int
    """As the single call would have answered."""
    code: str | None = None
    """Where it failed: as in a problem+json."""
    detail: str | None = None
    """Where it failed: why, for people."""


BatchLine = PutLine | PatchLine | DeleteLine


def _op(line: Any) -> Any:
    return line.get("op", "put")


batch_line: TypeAdapter[BatchLine] = TypeAdapter(
    Annotated[
        Annotated[PutLine, Tag("put")]
        | Annotated[PatchLine, Tag("patch")]
        | Annotated[DeleteLine, Tag("delete")],
        Discriminator(
            _op, custom_error_type="op", custom_error_message="op is put, patch or delete"
        ),
    ]
)
