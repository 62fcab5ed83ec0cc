"""Images as clients see and send them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, model_validator

from app.images.keys import Key, NewKey
from app.search.rows import thumbnail_path
from app.text import StorableText
from indexer.catalog.tables import Image
from indexer.live.writes import Status

MAX_URL = 4096

GivenAttributes = dict[str, Any]
"""What of it can be stored, indexer.attributes says."""


class ImageView(BaseModel):
    id: str
    uri: str
    thumbnail: str
    format: str
    width: int
    height: int
    file_size: int
    attributes: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class WrittenImage(ImageView):
    status: Status


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


class GivenImage(BaseModel):
    """Exactly one of `url` and `base64`. Without `attributes` an image keeps those it has."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[StorableText, Field(min_length=1, max_length=MAX_URL)] | None = None
    base64: str | None = Field(None, description="The picture file; line breaks are passed over")
    attributes: GivenAttributes | None = None

    @model_validator(mode="after")
    def _one_picture(self) -> "GivenImage":
        if (self.url is None) == (self.base64 is None):
            raise ValueError("give exactly one of url and base64")
        return self


class AttributesPatch(BaseModel):
    """A JSON merge patch of the attributes: null takes a value away."""

    model_config = ConfigDict(extra="forbid")

    attributes: GivenAttributes


class PutLine(GivenImage):
    op: Literal["put"] = "put"
    id: NewKey


class PatchLine(AttributesPatch):
    op: Literal["patch"]
    id: Key


class DeleteLine(BaseModel):
    model_config = ConfigDict(extra="forbid")

    op: Literal["delete"]
    id: Key


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
