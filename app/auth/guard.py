"""Who is let in: the one place where a request is judged by its key."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from prometheus_client import Counter

from app.auth.keyring import Key, Keyring
from app.auth.rate_limit import RateLimits
from app.auth.scopes import Scope
from app.auth.token import token_in
from app.config import Settings
from app.errors import Forbidden, RateLimited, Unauthorized
from app.metrics import Metrics
from indexer.catalog.db import Database

Headers = Iterable[tuple[bytes, bytes]]


class Guard:
    def __init__(self, keyring: Keyring, requests_per_minute: int, refused: Counter) -> None:
        """`requests_per_minute`: of keys that have no limit of their own; 0: any."""
        self.keyring = keyring
        self._requests_per_minute = requests_per_minute
        self._refused = refused
        self._rate_limits = RateLimits()

    async def admit(self, headers: Headers, needed: Scope) -> Key | None:
        """Return where the request may go on, with its key; None where none is asked for.

        Raises Unauthorized, Forbidden, RateLimited; CatalogError and SQLAlchemyError where its
        key is new to this process and the database is away.
        """
        if needed is Scope.OPEN:
            return None
        try:
            key = await self._key_of(headers)
            _require(key, needed)
            await self._count(key)
        except (Unauthorized, Forbidden, RateLimited) as refusal:
            self._refused.labels(refusal.code).inc()
            raise
        return key

    async def _key_of(self, headers: Headers) -> Key:
        shown = [value for name, value in headers if name == b"authorization" and value]
        if not shown:
            raise Unauthorized("this needs a key: send Authorization: Bearer ng_…")
        if len(shown) > 1:  # what a proxy judged by the one would be done by the other
            raise Unauthorized("that is more than one key: send Authorization once")
        token = token_in(shown[0])
        if token is None:
            raise Unauthorized("that is no key: keys look like ng_…, after the word Bearer")
        key = await self.keyring.find(token.id)
        is_right = token.is_of(key.digest if key else None)
        if key is None or not is_right:
            raise Unauthorized("there is no such key: it may have been revoked")
        if key.expires_at <= time.time():
            raise Unauthorized("the key has expired")
        return key

    async def _count(self, key: Key) -> None:
        per_minute = key.requests_per_minute
        if per_minute is None:
            per_minute = self._requests_per_minute
        if per_minute and (seconds := await self._rate_limits.hit(key.id, per_minute)):
            raise RateLimited(f"the key may make {per_minute} requests a minute", seconds)


def _require(key: Key, needed: Scope) -> None:
    if key.scope < needed:
        raise Forbidden(f"this needs a key of scope {needed.label}; the key's is {key.scope.label}")


@asynccontextmanager
async def open_guard(
    settings: Settings, database: Database, metrics: Metrics
) -> AsyncIterator[Guard | None]:
    """None where every caller may do everything. Raises SQLAlchemyError."""
    if settings.auth == "off":
        yield None
        return
    keyring = Keyring(database)
    keyring.read()
    following = asyncio.create_task(keyring.follow(settings.refresh_seconds))
    try:
        yield Guard(keyring, settings.requests_per_minute, metrics.refused)
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
