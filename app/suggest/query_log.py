"""What was searched for, so that it can be suggested: counted by day, and never by whom.

Off unless a setting says otherwise. Searches hand over what they were asked and go on; a thread
writes it. A text counts once a client and day, whatever the client does.
"""

import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy.exc import SQLAlchemyError

from app.config import Settings
from app.serving.threads import Repeating
from app.suggest import repository
from app.suggest.keys import fold
from app.suggest.metrics import SuggestMetrics
from app.suggest.repository import Asked
from app.suggest.terms import is_term
from indexer.catalog.db import Database

_WRITE_SECONDS = 5.0
_MAX_PENDING = 10_000
"""Searches that wait to be written; more are not counted."""
_MAX_A_DAY = 1_000_000
"""Clients of texts that a process adds: some 100 MB of the database until the day is over."""


class QueryLog:
    def __init__(self, database: Database, settings: Settings, metrics: SuggestMetrics) -> None:
        self.is_on = settings.query_log == "on"
        self._database = database
        self._days = timedelta(days=settings.query_log_days)
        self._min_clients = settings.query_log_min_clients
        self._metrics = metrics
        self._pending: deque[tuple[int, str, str]] = deque()
        self._day = date.min
        self._added = 0
        """On that day."""
        self._writing = threading.Lock()
        self._thread = Repeating("query log", self.tend, _WRITE_SECONDS)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Blocking: what was recorded is written first."""
        self._thread.stop()
        with suppress(SQLAlchemyError):  # counted as lost
            self.write()

    def record(self, collection_id: int, text: str, client: str) -> None:
        """A search that was answered. Returns at once, and never raises."""
        if not self.is_on:
            return
        if len(self._pending) < _MAX_PENDING:
            self._pending.append((collection_id, text, client))
        else:
            self._metrics.lost_full.inc()

    def popular(self, collection_id: int) -> Mapping[str, int]:
        """Folded texts that enough clients asked for, and how often. Raises SQLAlchemyError."""
        if not self.is_on:
            return {}
        with self._database.read() as session:
            since = repository.today(session) - self._days
            return repository.popular(session, collection_id, since, self._min_clients)

    def tend(self) -> None:
        """Blocking: write what is new, delete what is old. Raises SQLAlchemyError."""
        self.write()
        self.purge()

    def write(self) -> None:
        """Blocking. Raises SQLAlchemyError; then what was to be written is lost."""
        with self._writing:
            pending = [self._pending.popleft() for _ in range(len(self._pending))]
            asked = {
                Asked(collection_id, fold(text), _counted_as(client))
                for collection_id, text, client in pending
                if is_term(text)
            }
            if not asked:
                return
            try:
                self._count(asked)
            except SQLAlchemyError:
                self._metrics.lost_database.inc(len(asked))
                raise

    def purge(self) -> None:
        """Blocking: delete what is older than a setting says, also where the log is off by now.

        Raises SQLAlchemyError.
        """
        with self._database.read() as session:
            day = repository.today(session)
            outdated = (day, day - self._days, self._min_clients)
            if not repository.is_due(session, *outdated):
                return
        with self._database.write() as session:
            repository.purge(session, *outdated)

    def _count(self, asked: set[Asked]) -> None:
        with self._database.write() as session:
            day = repository.today(session)
            if day != self._day:
                self._day, self._added = day, 0
            if self._added >= _MAX_A_DAY:
                self._metrics.lost_full.inc(len(asked))
                return
            salt = repository.salt_of(session, day)
            added = repository.count(session, day, salt, asked)
        self._added += added


def _counted_as(client: str) -> str:
    """The network of an IPv6 address: who has one has 2⁶⁴. Anything else as it is."""
    with suppress(ValueError):
        address = ip_address(client)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
            return str(ip_network((address.packed, 64), strict=False))
    return client
