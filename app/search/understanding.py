"""What is meant by a text, as answers tell it."""

from functools import lru_cache

from app.search.response import Query
from app.search.typed.normalize import language_of, normalize
from app.search.typed.query import understand

_REMEMBERED = 4_096
"""Texts: 10 MB at most, where all are as long as they may be."""


@lru_cache(_REMEMBERED)
def query_of(text: str, *, verbatim: bool) -> Query:
    """`verbatim`: nothing is repaired or left out. Raises InvalidInput for a blank text."""
    if verbatim:
        plain = normalize(text)
        return Query(text, plain, language_of(plain), None)
    typed = understand(text)
    return Query(text, typed.normalized, typed.language, typed.repaired_from)
