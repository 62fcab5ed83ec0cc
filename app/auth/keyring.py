"""The keys of the database, in memory: no request waits for a look at them."""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import select

from app.auth.scopes import Scope
from app.auth.tables import ApiKey
from indexer.catalog.db import Database
from indexer.errors import CatalogError

logger = logging.getLogger(__name__)

_MISS_SECONDS = 0.1
"""Between two looks for unknown keys: guessing costs the database ten queries a second."""


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    scope: Scope
    digest: bytes
    """SHA-256 of the secret."""
    requests_per_minute: int | None
    """None: as the settings say; 0: any."""
    expires_at: float
    """Unix time; infinite where it never does."""


class Keyring:
    """All keys as they were at the last look; expired ones are among them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: Mapping[str, Key] = {}
        self._began = -inf
        """When the last look that is over began, on the monotonic clock."""
        self._is_away = False
        self._look = threading.Lock()
        self._miss = asyncio.Lock()

    async def find(self, key_id: str) -> Key | None:
        """A key that is not in memory may be new: then the database is asked.

        Raises CatalogError, SQLAlchemyError where that cannot be.
        """
        key = self._keys.get(key_id)
        if key is None:
            await self._look_anew()
            key = self._keys.get(key_id)
        return key

    def read(self) -> None:
        """Blocking. Raises SQLAlchemyError; then what is in memory goes on being so."""
        with self._look:
            began, is_away = time.monotonic(), True
            try:
                self._keys = self._stored()
                is_away = False
            finally:
                self._began, self._is_away = began, is_away

    async def follow(self, seconds: float) -> None:
        """Read again and again, for ever.

        While the database is away the keys that are known go on working: searches are answered
        from memory and need no database, and refusing everybody would make an outage of it all.
        Nobody can revoke a key meanwhile, as that is a write to the same database.
        """
        while True:
            await asyncio.sleep(seconds)
            was_away = self._is_away
            try:
                await run_in_threadpool(self.read)
            except Exception:
                if not was_away:
                    logger.exception("cannot read the keys; those that are known go on working")

    async def _look_anew(self) -> None:
        """Return after a look that began later than this call; those who wait share one."""
        called = time.monotonic()
        async with self._miss:
            if self._began <= called:
                await asyncio.sleep(self._began + _MISS_SECONDS - time.monotonic())
                await run_in_threadpool(self.read)
            if self._is_away:
                raise CatalogError("the keys cannot be read")

    def _stored(self) -> dict[str, Key]:
        columns = (
            ApiKey.id,
            ApiKey.scope,
            ApiKey.secret_sha256,
            ApiKey.requests_per_minute,
            ApiKey.expires_at,
        )
        with self._database.read() as session:
            rows = session.execute(select(*columns)).all()
        return {
            key_id: Key(
                id=key_id,
                scope=Scope[scope.upper()],
                digest=bytes.fromhex(digest),
                requests_per_minute=per_minute,
                expires_at=expires_at.timestamp() if expires_at else inf,
            )
            for key_id, scope, digest, per_minute, expires_at in rows
        }
