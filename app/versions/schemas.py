"""Versions as clients see them."""

from datetime import datetime

from pydantic import BaseModel


class VersionView(BaseModel):
    name: str
    model: str
    index: str
    """The FAISS factory string."""
    images: int
    size_bytes: int
    change_number: int
    """The collection's, when the version was built."""
    active: bool
    created_at: datetime
