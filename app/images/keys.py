"""The id of an image in a path or a body."""

import unicodedata
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator

from app.text import StorableText
from indexer.catalog.tables import MAX_KEY
from indexer.errors import Rejected
from indexer.sources.base import key_from

_SHADOWED = ("/thumbnail", "/similar")


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _can_be_given(text: str) -> str:
    try:
        key = key_from(text)
    except Rejected as rejected:
        raise ValueError(rejected.detail) from None
    if len(key.encode()) > MAX_KEY:
        raise ValueError(f"is longer than {MAX_KEY} bytes")
    if key.endswith(_SHADOWED):
        raise ValueError(f"ends in one of {', '.join(_SHADOWED)}, which name something else")
    if not {".", ".."}.isdisjoint(key.split("/")):
        raise ValueError("has a part . or .., which clients take out of a path")
    return key


Key = Annotated[StorableText, AfterValidator(_composed)]
"""Of an image that may be there: sources and the API alike keep ids in NFC."""

NewKey = Annotated[StorableText, AfterValidator(_can_be_given)]
"""As sources have them, and such that every request finds the image."""

_IN_PATH = Path(description="Id of the image; it may hold /", examples=["sku-1"])

KeyInPath = Annotated[Key, _IN_PATH]
NewKeyInPath = Annotated[NewKey, _IN_PATH]
