"""Suggestions of all collections: what requests use, and the threads that keep it up to date."""

import logging
import threading
from functools import partial

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app.config import Settings
from app.metrics import Metrics
from app.serving import Serving
from app.serving.threads import Repeating
from app.suggest.collection_terms import CollectionTerms
from app.suggest.metrics import SuggestMetrics
from app.suggest.query_log import QueryLog
from app.suggest.schemas import Suggestion
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection

logger = logging.getLogger(__name__)

_LEAST_SECONDS = 1.0


class Suggestions:
    """Of a collection that is being read for the first time: of what was read of it."""

    def __init__(
        self, database: Database, settings: Settings, serving: Serving, metrics: Metrics
    ) -> None:
        self._database = database
        self._serving = serving
        self._metrics = SuggestMetrics(metrics.registry)
        self.log = QueryLog(database, settings, self._metrics)
        self._terms: dict[int, CollectionTerms] = {}
        self._names: dict[int, str] = {}
        self._broken: dict[int, int] = {}
        """Collection id → the change number at which its terms could not be read: said once."""
        self._renewing = threading.Lock()
        self._closing = threading.Event()
        seconds = max(_LEAST_SECONDS, settings.refresh_seconds)
        self._thread = Repeating("suggest", partial(self._renew, at_once=False), seconds)

    def start(self) -> None:
        self._thread.start()
        self.log.start()

    def close(self) -> None:
        """Blocking: ends the threads; what was recorded is written."""
        self._closing.set()
        self._thread.stop()
        self.log.close()

    def suggest(self, collection: str, prefix: str, limit: int) -> list[Suggestion]:
        """The most used first; a matter of microseconds. None of a collection that is not known."""
        found = self._serving.get(collection)
        terms = self._terms.get(found.id) if found else None
        if terms is None:
            return []
        completed = terms.dictionary.complete(prefix, limit)
        return [
            Suggestion(text=term.text, count=term.images or term.searches) for term in completed
        ]

    def record(self, collection: str, text: str, client: str) -> None:
        """A search that was answered, its text normalised. Returns at once, and never raises."""
        if self.log.is_on and (found := self._serving.get(collection)):
            self.log.record(found.id, text, client)

    def refresh(self) -> None:
        """Blocking: what was committed, and recorded here, before is suggested when this returns.

        Raises SQLAlchemyError.
        """
        self.log.write()
        self._renew(at_once=True)

    def _renew(self, *, at_once: bool) -> None:
        with self._renewing:
            columns = (Collection.id, Collection.name, Collection.change_number)
            with self._database.read() as session:
                listed = session.execute(select(*columns)).all()
            for gone in self._terms.keys() - {row.id for row in listed}:
                self._let_go(gone)
            for collection_id, name, change_number in listed:
                self._renew_one(collection_id, name, change_number, at_once=at_once)

    def _renew_one(self, collection_id: int, name: str, number: int, *, at_once: bool) -> None:
        if self._closing.is_set() or self._broken.get(collection_id) == number:
            return
        terms = self._terms.get(collection_id)
        if terms is None:
            terms = CollectionTerms(self._database, self.log, collection_id)
            self._terms[collection_id], self._names[collection_id] = terms, name
        try:
            terms.renew(number, self._closing, at_once=at_once)
        except SQLAlchemyError:
            raise
        except Exception:  # with one collection; others go on
            logger.exception("cannot read the terms of %s until it changes", name)
            self._broken[collection_id] = number
        self._metrics.terms.labels(name).set(len(terms.dictionary))

    def _let_go(self, collection_id: int) -> None:
        del self._terms[collection_id]
        self._broken.pop(collection_id, None)
        self._metrics.terms.remove(self._names.pop(collection_id))
