"""Text from outside that can be encoded, stored and sent back."""

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator


def _encodable(text: str) -> str:
    """JSON can carry half a surrogate pair, which no encoder and no database can."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds a lone surrogate")
    return text


def _storable(text: str) -> str:
    """PostgreSQL refuses NUL even in a comparison."""
    if "\0" in text:
        raise ValueError("holds a NUL")
    return text


EncodableText = Annotated[str, AfterValidator(_encodable)]
StorableText = Annotated[EncodableText, AfterValidator(_storable)]
"""What may be looked up in the catalog: the name of a collection, the id of an image."""

CollectionInPath = Annotated[
    StorableText, Path(description="Name of the collection", examples=["shop"])
]
