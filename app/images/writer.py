"""Writes that are durable when they are acknowledged, and visible to the next search here."""

import asyncio
import logging
from collections.abc import Sequence

from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from app.errors import NotReady
from app.images.intake import Intake, NewImage
from app.serving import Serving
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection
from indexer.errors import EncoderChanged, UnknownCollection
from indexer.live.writes import Outcome, Put, Write, apply

logger = logging.getLogger(__name__)

_BATCHES = 16

_ATTEMPTS = 3
"""To commit, where the collection's encoder changes each time meanwhile."""


class ImageWriter:
    def __init__(self, database: Database, intake: Intake, serving: Serving) -> None:
        self._database = database
        self._serving = serving
        self.intake = intake
        self.batches = asyncio.Semaphore(_BATCHES)
        """For each a line may be in memory that is not under way yet."""

    async def collection(self, name: str) -> Collection:
        """Raises UnknownCollection."""
        return await run_in_threadpool(self._collection, name)

    async def commit(self, owner: Collection, writes: Sequence[Write]) -> list[Outcome]:
        """All in one transaction; an outcome for each.

        Raises UnknownCollection, SQLAlchemyError; NotReady where the encoder keeps changing, and
        what embedding a picture again raises.
        """
        for _ in range(_ATTEMPTS):
            try:
                outcomes = await run_in_threadpool(self._apply, owner, writes)
            except EncoderChanged:
                writes = [await self._anew(owner, write) for write in writes]
            else:
                await run_in_threadpool(self._announce, owner)
                return outcomes
        raise NotReady(f"collection {owner.name!r} is changing its model")

    def _collection(self, name: str) -> Collection:
        with self._database.read() as session:
            return repository.collection(session, name)

    def _apply(self, owner: Collection, writes: Sequence[Write]) -> list[Outcome]:
        served = self._serving.get(owner.name)
        require = served.segments.attributes.require_kinds if served else None
        try:
            with self._database.write() as session:
                return apply(session, owner, writes, require)
        except UnknownCollection:
            self.intake.forget(owner)
            raise UnknownCollection(owner.name) from None

    async def _anew(self, owner: Collection, write: Write) -> Write:
        """With an embedding of the encoder that the collection has now."""
        if not isinstance(write, Put):
            return write
        data = await run_in_threadpool(self.intake.stored, owner, write.picture.content_hash)
        new = NewImage(write.key, write.uri, data, write.attributes)
        return await self.intake.prepare(owner, new)

    def _announce(self, owner: Collection) -> None:
        """What is committed stays so: the next look of this process finds it too."""
        try:
            self._serving.wrote(owner.name)
        except SQLAlchemyError:
            logger.exception("cannot look for what was written to %s", owner.name)
