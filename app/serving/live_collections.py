"""All collections as this process follows them, and the snapshots that searches take."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from app.metrics import Metrics
from app.serving.following import ChangeReader
from app.serving.listed import Listed, list_collections, list_one
from app.serving.live_collection import LiveCollection
from app.serving.shared_looks import SharedLooks
from app.serving.snapshot import Segments, Snapshot
from indexer.catalog.db import Database
from indexer.errors import UnknownCollection

logger = logging.getLogger(__name__)


class LiveCollections:
    """Safe to use from several threads at once. Nothing is opened here: a look is a matter of
    milliseconds.

    Each collection changes under a lock of its own, as its row is when it is read under that lock:
    nothing goes back, and one of which much is to be read holds up no writer of another.
    """

    def __init__(self, database: Database, reader: ChangeReader, metrics: Metrics) -> None:
        self._database = database
        self._reader = reader
        self._metrics = metrics
        self._live: dict[int, LiveCollection] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._broken: set[int] = set()
        """Ids of collections that cannot be followed: said once."""
        self._looks = SharedLooks()

    def __iter__(self) -> Iterator[LiveCollection]:
        return iter(list(self._live.values()))

    def get(self, name: str) -> Snapshot | None:
        return self._snapshots.get(name)

    def look(self) -> None:
        """Blocking: what was committed before is in the snapshots when this returns.

        Raises SQLAlchemyError.
        """
        self._looks.share(self._look)

    def look_at(self, name: str) -> None:
        """The same of one collection, whatever the others take."""
        shown = self._snapshots.get(name)
        live = self._live.get(shown.id) if shown else None
        if live is None:
            self.look()
            return
        try:
            live.looks.share(partial(self._look_at, live))
        except UnknownCollection:  # another may bear its name
            self.look()

    def install(self, live: LiveCollection, opened: Segments) -> None:
        """Blocking: a version that was opened meanwhile. Raises SQLAlchemyError, UnknownCollection
        where the collection is gone.
        """
        with self.changing(live):
            self._follow(live)
            live.install(opened)

    @contextmanager
    def changing(self, live: LiveCollection) -> Iterator[None]:
        """While nobody else changes it; its snapshot is replaced at the end, in one assignment: a
        search has the one or the other. Raises UnknownCollection where the collection is gone.
        """
        with live.lock:
            if live.is_gone:
                raise UnknownCollection(live.listed.name)
            try:
                yield
            finally:
                self._snapshots[live.listed.name] = live.snapshot

    def _look(self) -> None:
        with self._database.read() as session:
            listed = {collection.id: collection for collection in list_collections(session)}
        # Withdraw first: a new collection may bear the name of one that is gone.
        for gone in self._live.keys() - listed.keys():
            self._let_go(gone)
        for now in listed.values():
            live = self._live.get(now.id)
            if live is None or live.is_behind(now) or now.id in self._broken:
                with suppress(UnknownCollection), self._apart(now):  # gone since: let go soon
                    self._bring_up(live or self._added(now))

    def _added(self, now: Listed) -> LiveCollection:
        live = LiveCollection(self._database, now, self._reader, self._metrics)
        self._live[now.id] = live
        return live

    def _look_at(self, live: LiveCollection) -> None:
        with self._apart(live.listed):
            self._bring_up(live)

    def _bring_up(self, live: LiveCollection) -> None:
        with self.changing(live):
            self._follow(live)

    def _follow(self, live: LiveCollection) -> None:
        with self._database.read() as session:
            now = list_one(session, live.listed.id)
        if now is None:
            raise UnknownCollection(live.listed.name)
        live.follow(now)

    @contextmanager
    def _apart(self, listed: Listed) -> Iterator[None]:
        """What goes wrong with one collection alone holds up no other.

        Raises SQLAlchemyError, UnknownCollection.
        """
        try:
            yield
        except (SQLAlchemyError, UnknownCollection):
            raise
        except Exception:
            if listed.id not in self._broken:
                logger.exception("cannot follow %s, trying again", listed.name)
            self._broken.add(listed.id)
        else:
            self._broken.discard(listed.id)

    def _let_go(self, collection_id: int) -> None:
        gone = self._live.pop(collection_id)
        with gone.lock:
            self._snapshots.pop(gone.listed.name, None)
            gone.end()
