"""An image as clients see it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel


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
