"""Collections as clients see them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from indexer.catalog.tables import MAX_NAME

CollectionName = Annotated[
    str,
    Field(
        max_length=MAX_NAME,
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="Lower-case letters, digits, - and _",
    ),
]


class NewCollection(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: CollectionName
    model: str | None = Field(None, max_length=255)
    recall: float | None = Field(None, gt=0, le=1)


class CollectionView(BaseModel):
    name: str
    model: str
    dim: int
    recall: float
    images: int
    change_number: int
    active_version: str | None
    indexed: int
    """Images in the active version."""
    created_at: datetime
