"""Versions as clients see them."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from models.regions.schemes import Regions


class VersionView(BaseModel):
    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "name": "20261121T095254-8cc90b",
                    "model": "starter",
                    "regions": "none",
                    "index": "Flat",
                    "images": 1180,
                    "size_bytes": 2483920,
                    "change_number": 1290,
                    "active": True,
                    "created_at": "2026-11-21T09:52:54Z",
                }
            ]
        },
    )

    name: str
    """Unique in its collection."""
    model: str
    """Whose embeddings it holds."""
    regions: Regions
    """By what parts of its pictures it is searched."""
    index: str
    """The FAISS factory string."""
    images: int
    """Images that it holds."""
    size_bytes: int
    """Of its files."""
    change_number: int
    """The collection's, when the version was built."""
    active: bool
    """Whether it serves."""
    created_at: datetime
    """When it was built, in UTC."""
