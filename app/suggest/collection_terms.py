"""The dictionary of one collection, and when it is made anew."""

import threading
import time
from collections.abc import Iterable, Mapping

from app.suggest.counting import count_terms
from app.suggest.dictionary import Dictionary, Term
from app.suggest.keys import fold
from app.suggest.query_log import QueryLog
from indexer.catalog.db import Database

_RESTS = 3
"""Times what counting took: so long it is not done again, however often the collection changes."""
_LEAST_REST_SECONDS = 1.0
_LOG_SECONDS = 60.0
"""Between two looks at what was searched for."""
_PAUSES = 2
"""Times what some images took: so long nothing is done after them, as searches need the processor.
"""
_FIRST_SHOWN = 2_000
"""Images after which a first count is shown; then each time that it has grown fourfold."""


class CollectionTerms:
    """For one thread, but for `dictionary`, which is everyone's to read."""

    def __init__(self, database: Database, log: QueryLog, collection_id: int) -> None:
        self.dictionary = Dictionary([])
        self._database = database
        self._log = log
        self._id = collection_id
        self._counted: int | None = None
        """The collection's change number before its images were counted last."""
        self._searches: Mapping[str, int] = {}
        """Folded → searches."""
        self._count_at = self._log_at = 0.0
        """When to look again, on the monotonic clock."""

    def renew(self, change_number: int, closing: threading.Event, *, at_once: bool) -> None:
        """Blocking: what changed and is due, or all that changed if `at_once`; for a large
        catalogue minutes. Ends early when `closing` is set. Raises SQLAlchemyError.
        """
        moment = time.monotonic()
        has_changed = self._counted != change_number and (at_once or moment >= self._count_at)
        searches = self._searches
        if self._log.is_on and (at_once or has_changed or moment >= self._log_at):
            searches = self._log.popular(self._id)
            self._log_at = moment + _LOG_SECONDS
        if has_changed:
            self._searches = searches
            self._count(change_number, closing)
            took = time.monotonic() - moment
            self._count_at = time.monotonic() + max(_LEAST_REST_SECONDS, _RESTS * took)
        elif searches != self._searches:
            self._searches = searches
            self._show([term for term in self.dictionary if term.images])

    def _count(self, change_number: int, closing: threading.Event) -> None:
        shown, began = _FIRST_SHOWN, time.monotonic()
        for counts in count_terms(self._database, self._id):
            if closing.wait(_PAUSES * (time.monotonic() - began)):
                return
            if self._counted is None and counts.images_read >= shown:
                self._show(counts.terms())
                shown = 4 * counts.images_read
            began = time.monotonic()
        self._show(counts.terms())
        self._counted = change_number

    def _show(self, of_images: Iterable[Term]) -> None:
        self.dictionary = Dictionary(_with_searches(of_images, self._searches))


def _with_searches(of_images: Iterable[Term], searches: Mapping[str, int]) -> list[Term]:
    left = dict(searches)
    known = [term._replace(searches=left.pop(fold(term.text), 0)) for term in of_images]
    return known + [Term(text, 0, number) for text, number in left.items()]
