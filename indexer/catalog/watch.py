"""Waiting for what others commit, so that it is seen in milliseconds and little is asked for it.

PostgreSQL tells who listens. SQLite has a counter of what others committed, which costs 4 µs to
read.
"""

import logging
import select
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from indexer.catalog.db import Database
from indexer.catalog.repository import CHANGES_CHANNEL

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.05
_RECONNECT_SECONDS = 1.0


class _Connection(Protocol):
    def wait(self, seconds: float, closing: socket.socket) -> bool: ...

    def close(self) -> None: ...


class ChangeWatch:
    """One thread waits; another may end that by `close`.

    A wait that returns says that there may be something new, never that there is nothing: whoever
    waits looks after each timeout too. A lost connection is made anew meanwhile.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: _Connection | None = None
        self._lost_at = -_RECONNECT_SECONDS
        self._closing, self._ended = socket.socketpair()

    def wait(self, seconds: float) -> bool:
        """Whether something may have been committed; False after `seconds`, or once closed."""
        until = time.monotonic() + seconds
        if self._connection is None:
            if self._connect():
                return True  # anything may have happened before
            return self._sleep(until)
        try:
            return self._connection.wait(seconds, self._ended)
        except Exception as error:  # noqa: BLE001 - SQLAlchemy's, and those of two drivers
            logger.warning("cannot hear of changes, looking for them from time to time: %s", error)
            self._disconnect()
            return self._sleep(until)

    def stop(self) -> None:
        """End a wait under way, and all that come, from any thread."""
        with suppress(OSError):
            self._closing.send(b"\0")

    def close(self) -> None:
        """When nobody waits any more."""
        self._disconnect()
        self._closing.close()
        self._ended.close()

    def _connect(self) -> bool:
        if time.monotonic() < self._lost_at + _RECONNECT_SECONDS:
            return False
        kind = _Listening if self._database.engine.dialect.name == "postgresql" else _Polling
        try:
            self._connection = kind(self._database)
        except Exception as error:  # noqa: BLE001 - as above
            logger.debug("cannot hear of changes: %s", error)
            self._lost_at = time.monotonic()
            return False
        return True

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._lost_at = time.monotonic()
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    def _sleep(self, until: float) -> bool:
        _readable([self._ended], min(until - time.monotonic(), _RECONNECT_SECONDS))
        return False


class _Listening:
    """PostgreSQL: LISTEN, on a connection that belongs to nobody else."""

    def __init__(self, database: Database) -> None:
        self._connection = _own_connection(database)
        try:
            self._connection.rollback()  # whatever a check by the pool began
            self._connection.autocommit = True
            self._connection.execute(f"LISTEN {CHANGES_CHANNEL}")
        except BaseException:
            self._connection.close()
            raise

    def wait(self, seconds: float, closing: socket.socket) -> bool:
        readable = _readable([self._connection, closing], seconds)
        if not readable or closing.fileno() in readable:
            return False
        return bool(list(self._connection.notifies(timeout=0)))

    def close(self) -> None:
        self._connection.close()


class _Polling:
    """SQLite: `PRAGMA data_version`, which other connections' commits move."""

    def __init__(self, database: Database) -> None:
        self._connection = _own_connection(database)
        self._version = self._look()

    def wait(self, seconds: float, closing: socket.socket) -> bool:
        until = time.monotonic() + seconds
        while True:
            before, self._version = self._version, self._look()
            if self._version != before:
                return True
            left = until - time.monotonic()
            if left <= 0 or _readable([closing], min(left, _LOOK_SECONDS)):
                return False

    def close(self) -> None:
        self._connection.close()

    def _look(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


def _readable(sources: Sequence[Any], seconds: float) -> set[int]:
    """Descriptors of the sources that can be read; empty after `seconds`. Unlike `select`, `poll`
    takes descriptors beyond 1,024.
    """
    polling = select.poll()
    for source in sources:
        polling.register(source, select.POLLIN)
    return {descriptor for descriptor, _ in polling.poll(max(0.0, seconds) * 1000)}


def _own_connection(database: Database) -> Any:
    """The driver's, out of the pool."""
    pooled = database.engine.raw_connection()
    own = pooled.driver_connection
    pooled.detach()
    return own
