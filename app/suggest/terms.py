"""What of an image's attributes a person would type: names, categories, tags; no id, no address."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from app.suggest.keys import fold
from indexer.attributes import iso

MAX_CHARACTERS = 40
_MAX_TITLE = 200
"""Characters: of longer texts, which are prose, no words are taken."""

# A category's path, a list in one text; not the comma within a number.
_SEPARATOR = re.compile(r"\s*(?:[;|>]|,(?!\d))\s*|\s+/\s+")
_WORD = re.compile(r"[^\W_]+(?:[-'&+.,][^\W_]+)*")
_LETTER = re.compile(r"[^\W\d_]")
_DIGIT = re.compile(r"\d")
_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f\ud800-\udfff]")
_ADDRESS = re.compile(
    r"://|^www\.|@|[/\\].*[/\\]|\.(?:jpe?g|png|gif|webp|html?|com|net|org|io|kr)\b", re.IGNORECASE
)
# Hexadecimal, long, or with six digits; nothing in it can be matched in two ways.
_ID = re.compile(
    r"(?=.*\d)(?:[0-9a-f-]{12,}|[!-~]{16,}|(?:[!-/:-~]*[0-9]){6}[!-~]*)", re.IGNORECASE
)
_CONNECTING = frozenset(
    ["and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"]
)
"""Words that stand in every other title."""
_ID_FIELD = re.compile(
    r"(?:^|[\W_])(?:id|uuid|sku|ean|isbn|barcode|hash|url|uri|link|path|file(?:name)?)$"
    r"|(?:번호|코드|주소|링크|경로|파일명?)$",
    re.IGNORECASE,
)


def terms_of(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The terms of one image, each once: folded → as it is written."""
    terms: dict[str, str] = {}
    for field, value in attributes.items():
        if _is_worded(field):
            for text in value if isinstance(value, list) else (value,):
                if isinstance(text, str):
                    terms.update(_terms_in(text))
    return terms


def is_term(text: str) -> bool:
    """Whether someone may have typed it to find a picture, and nobody is known by it."""
    if len(text) > MAX_CHARACTERS or _CONTROL.search(text) or _ADDRESS.search(text):
        return False
    if text.casefold() in _CONNECTING or (len(text) == 1 and text.isascii()):  # S, M, L
        return False
    letters, digits = len(_LETTER.findall(text)), len(_DIGIT.findall(text))
    is_number = not letters or digits > letters + 2  # 39,000원
    return not (is_number or _ID.fullmatch(text) or iso(text))


@lru_cache(1_000)
def _is_worded(field: str) -> bool:
    return not _ID_FIELD.search(field)


@lru_cache(1_000)
def _terms_in(text: str) -> Mapping[str, str]:
    """Folded → as it is written. Kept: catalogues have few categories and brands."""
    return {
        folded: candidate
        for candidate in _found_in(text)
        if (folded := _folded_term(candidate)) is not None
    }


@lru_cache(16_384)
def _folded_term(candidate: str) -> str | None:
    """Kept, for the words of titles, of which there are few: it takes 6 µs. None: it is no term."""
    return fold(candidate) if is_term(candidate) else None


def _found_in(text: str) -> Iterator[str]:
    """The text, or the parts of a list; and the words of a title."""
    if len(text) > _MAX_TITLE or _ADDRESS.search(text):
        return
    for part in _SEPARATOR.split(text):
        words = _WORD.findall(part)
        if len(words) > 1:
            yield from (word for word in words if len(word) > 1)
        yield " ".join(part.split())
