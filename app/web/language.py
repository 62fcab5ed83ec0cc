"""Which of the two languages a reader wants, and the pages' words in it."""

import json
from collections.abc import Iterator
from pathlib import Path

LANGUAGES = ("ko", "en")
PAGES = ("search", "admin")

_FOLDER = Path(__file__).parent / "strings"

Words = dict[str, str | dict[str, str]]
"""A word that depends on a number has a form for each of the language's plural categories."""


def _words(name: str) -> Words:
    words: Words = json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))
    return words


STRINGS: dict[str, dict[str, Words]] = {
    page: {language: _words(language) | _words(f"{page}.{language}") for language in LANGUAGES}
    for page in PAGES
}


def choose(asked: str | None, remembered: str | None, accepted: str) -> str:
    """The URL's word, else the reader's last choice, else the browser's `Accept-Language`."""
    for language in (asked, remembered, *_by_preference(accepted)):
        if language in LANGUAGES:
            return language
    return "en"


def _by_preference(accepted: str) -> Iterator[str]:
    """Primary tags of an `Accept-Language` header, the most wanted first (RFC 9110 § 12.5.4)."""
    weighted = []
    for item in accepted.split(","):
        tag, _, parameters = item.partition(";")
        weight = _weight(parameters)
        if weight > 0:
            weighted.append((weight, tag.strip().lower().partition("-")[0]))
    return (tag for _, tag in sorted(weighted, key=lambda pair: -pair[0]))


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
