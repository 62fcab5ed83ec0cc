"""Collections as clients see them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from indexer.catalog.tables import MAX_NAME
from indexer.columns.column import FieldKind
from models.regions.schemes import Regions

MAX_MODEL = 250
"""Characters: with `+grid` they are 255, for which the catalog has room."""

CollectionName = Annotated[
    str,
    Field(
        max_length=MAX_NAME,
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="Lower-case letters, digits, - and _",
    ),
]


class NewCollection(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"name": "shop"}, {"name": "street", "regions": "grid"}]},
    )

    name: CollectionName
    model: str | None = Field(None, max_length=MAX_MODEL)
    """Whose embeddings it is to hold; null: the settings' model."""
    regions: Regions | None = Field(None, strict=False)
    """By what parts of its pictures it is to be searched; null: as the settings' model says."""
    recall: float | None = Field(None, gt=0, le=1)
    """recall@10 that its index is to have; null: as the settings say."""


class CollectionView(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """As it stands in addresses."""
    model: str
    """Whose embeddings it holds."""
    regions: Regions
    """By what parts of its pictures it is searched."""
    dim: int
    """Numbers of an embedding."""
    recall: float
    """recall@10 that its index is to have."""
    images: int
    """Images that it holds."""
    change_number: int
    """Grows with every write."""
    active_version: str | None
    """The index version that serves; null where none was ever built."""
    indexed: int
    """Images in the active version."""
    created_at: datetime
    """When it was created, in UTC."""


class ServedCollection(CollectionView):
    """A collection, and what this server knows of its fields."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "shop",
                    "model": "starter",
                    "regions": "none",
                    "dim": 512,
                    "recall": 0.95,
                    "images": 1200,
                    "change_number": 1317,
                    "active_version": "20261121T095254-8cc90b",
                    "indexed": 1180,
                    "created_at": "2026-11-21T09:50:00Z",
                    "fields": {"상품명": "text", "price": "number", "품절": "bool"},
                }
            ]
        }
    )

    fields: dict[str, FieldKind] | None = Field(
        description="What kind each attribute is of, which filters, facets and sorting go by; "
        "null until this server has opened the collection",
    )
