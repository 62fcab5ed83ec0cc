"""The terms of a collection, and how a beginning of one is completed."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.suggest.keys import first_consonants, keystrokes
from app.suggest.prefixes import PrefixIndex
from app.suggest.readings import has_hangul, other_readings, reads_as_initials

MAX_TERMS = 100_000
"""The most used: 14 MB, 25 MB where most are titles of six words."""
_OF_A_SEARCH = 10
"""Images that a search counts for in the order of use."""
_LITTLE = 3
"""Completions; with fewer the prefix is read in other ways too."""


class Term(NamedTuple):
    text: str
    images: int
    searches: int


class Dictionary:
    """Immutable."""

    def __init__(self, terms: Sequence[Term]) -> None:
        """Blocking: 100,000 terms take two seconds; another thread waits 15 ms at most."""
        keys = [keystrokes(term.text) for term in terms]
        order = _by_use(terms, keys)[:MAX_TERMS].tolist()
        ranked = [terms[place] for place in order]
        texts = [term.text.encode() for term in ranked]
        self._texts = b"".join(texts)
        self._ends = np.cumsum([len(text) for text in texts], dtype=np.int32)
        self._images = np.array([term.images for term in ranked], np.int32)
        self._searches = np.array([term.searches for term in ranked], np.int32)
        self._typed = PrefixIndex([keys[place] for place in order])
        self._initials = PrefixIndex([_initials(term.text) for term in ranked])

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Term]:
        """The most used first."""
        return map(self._term, range(len(self)))

    def complete(self, prefix: str, limit: int) -> list[Term]:
        """The most used terms of which a word begins so; where there are few, then those that the
        same keys give in the other language. Without a prefix the most used of all.
        """
        if not prefix.strip():
            return [self._term(rank) for rank in range(min(limit, len(self)))]
        found: dict[int, None] = {}
        for reading in chain((prefix,), other_readings(prefix)):
            found |= dict.fromkeys(islice(self._ranks(reading), limit))
            if len(found) >= min(limit, _LITTLE):
                break
        return [self._term(rank) for rank in islice(found, limit)]

    def _ranks(self, reading: str) -> Iterator[int]:
        if reads_as_initials(reading):
            index, key = self._initials, first_consonants(reading)
        else:
            index, key = self._typed, keystrokes(reading)
        return index.ranks(key) if key else iter(())

    def _term(self, rank: int) -> Term:
        start = self._ends[rank - 1] if rank else 0
        text = self._texts[start : self._ends[rank]].decode()
        return Term(text, int(self._images[rank]), int(self._searches[rank]))


def _by_use(terms: Sequence[Term], keys: Sequence[bytes]) -> NDArray[np.intp]:
    """The order of use; of those that are used as much the shorter first, then by the alphabet.

    Of arrays, as in app.suggest.prefixes: other threads run meanwhile.
    """
    uses = np.array([term.images + _OF_A_SEARCH * term.searches for term in terms], np.int64)
    lengths = np.array([len(term.text) for term in terms], np.int32)
    return np.lexsort((np.array(keys, "S32"), lengths, -uses))


def _initials(text: str) -> bytes:
    """Nothing of a text without Hangul."""
    return first_consonants(text) if has_hangul(text) else b""
