"""A query as typed → a query as encoded."""

import unicodedata
from typing import Literal

from models.errors import InvalidInput


def normalize(text: str) -> str:
    """NFC, without control and format characters, single spaces. Raises InvalidInput if blank.

    macOS and some keyboards send Hangul decomposed (NFD), which no tokenizer knows.
    """
    kept = "".join(
        character if unicodedata.category(character) not in {"Cc", "Cf"} else " "
        for character in text
        if character not in _INVISIBLE
    )
    normalized = " ".join(unicodedata.normalize("NFC", kept).split())
    if not normalized:
        raise InvalidInput("the query is blank")
    return normalized


def language_of(text: str) -> Literal["ko", "en"]:
    """Korean if there is any Hangul: "블랙 leather 자켓" is a Korean query."""
    return "ko" if any(_is_hangul(character) for character in text) else "en"


_INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")
"""Removed without a trace: they stand inside words."""


def _is_hangul(character: str) -> bool:
    return (
        "\uac00" <= character <= "\ud7a3"
        or "\u1100" <= character <= "\u11ff"
        or "\u3131" <= character <= "\u318e"
    )
