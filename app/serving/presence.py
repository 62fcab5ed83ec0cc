"""Saying that this process serves, and which versions it has open: switches wait for it, and the
files of those versions stay.
"""

import logging
import os
import socket
from collections.abc import Callable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from indexer.catalog.db import Database
from indexer.live import servers

logger = logging.getLogger(__name__)


class Presence:
    """For one thread."""

    def __init__(self, database: Database, opened: Callable[[], Mapping[int, str | None]]) -> None:
        """`opened`: version id → None, or why it cannot be opened."""
        self._database = database
        self._opened = opened
        self._id: str | None = None

    def say(self) -> None:
        """Raises SQLAlchemyError."""
        with self._database.write() as session:
            if self._id is None or not servers.say_alive(session, self._id, self._opened()):
                self._id = servers.register(session, socket.gethostname(), os.getpid())
                servers.say_alive(session, self._id, self._opened())

    def forget(self) -> None:
        if self._id is None:
            return
        try:
            with self._database.write() as session:
                servers.forget(session, self._id)
        except SQLAlchemyError as error:  # it is taken for gone in a while
            logger.warning("cannot say that this server ends: %s", error)
