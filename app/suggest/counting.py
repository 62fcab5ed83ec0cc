"""Counting the terms of a collection's images, a few at a time."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from app.suggest.dictionary import MAX_TERMS, Term
from app.suggest.keys import fold
from app.suggest.terms import terms_of
from indexer.catalog.db import Database
from indexer.catalog.tables import Image

_AT_ONCE = 500
"""Images: some 10 ms, after which whoever reads may pause."""
_MAX_SPELLINGS = 4 * MAX_TERMS
"""Kept while counting, of catalogues where each title is another: some 100 MB."""


class TermCounts:
    """How many images have each term, as it is written."""

    def __init__(self) -> None:
        self._images: Counter[str] = Counter()
        self._floor = 0
        """What was dropped was counted so often at most."""
        self.images_read = 0

    def add(self, attributes: dict[str, Any]) -> None:
        self._images.update(terms_of(attributes).values())
        self.images_read += 1
        while len(self._images) > _MAX_SPELLINGS:
            self._floor += 1
            kept = {text: n for text, n in self._images.items() if n > self._floor}
            self._images = Counter(kept)

    def terms(self) -> list[Term]:
        """One for the spellings that are equal when folded, in the most frequent of them."""
        spelled: dict[str, str] = {}
        images: Counter[str] = Counter()
        for text, number in self._images.items():
            folded = fold(text)
            images[folded] += number
            if number > self._images[spelled.setdefault(folded, text)]:
                spelled[folded] = text
        return [Term(text, images[folded], 0) for folded, text in spelled.items()]


def count_terms(database: Database, collection_id: int) -> Iterator[TermCounts]:
    """The same counts, grown by some more images each time. Raises SQLAlchemyError.

    In the order of keys, which no write changes, and a query each: a transaction as long as all of
    it would have SQLite keep everything that is written meanwhile.
    """
    counts, last = TermCounts(), ""
    while True:
        following = (
            select(Image.key, Image.attributes)
            .where(Image.collection_id == collection_id, Image.key > last)
            .order_by(Image.key)
            .limit(_AT_ONCE)
        )
        with database.read() as session:
            rows = session.execute(following).all()
        for _, attributes in rows:
            counts.add(attributes)
        yield counts
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1].key
