"""What the application holds while it runs, and how endpoints get at it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, TypedDict, cast

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from app.auth.guard import Guard, open_guard
from app.config import Settings
from app.embed.pictures import PictureEmbedder
from app.embedders import Embedders
from app.images.intake import Intake
from app.images.reader import PictureReader
from app.images.thumbnails import Thumbnails
from app.images.writer import ImageWriter
from app.jobs.metrics import JobMetrics
from app.jobs.queue import JobQueue
from app.metrics import Metrics
from app.search.typed.query import prepare
from app.serving import Serving
from app.serving.measuring import Measuring
from app.suggest.suggestions import Suggestions
from indexer.catalog.db import Database, require_current
from indexer.pictures.decode import DecodeLimits
from models.worker.drain import Drain


class State(TypedDict):
    settings: Settings
    database: Database
    embedders: Embedders
    serving: Serving
    suggestions: Suggestions
    thumbnails: Thumbnails
    pictures: PictureEmbedder
    writer: ImageWriter
    metrics: Metrics
    queue: JobQueue
    drain: Drain
    guard: Guard | None
    """None where every caller may do everything."""


@asynccontextmanager
async def open_state(settings: Settings, *, follow: bool = False) -> AsyncIterator[State]:
    """The model loaded, the versions open. Raises CatalogError, ModelError: what cannot work
    does not start.

    `follow`: go on following the catalog, and be known there as a server.
    """
    database = Database(settings.database_url)
    metrics = Metrics()
    metrics.registry.register(JobMetrics(database))
    queue = JobQueue(settings)
    embedders = Embedders(settings, metrics)
    measuring = Measuring(asyncio.get_running_loop())
    serving = Serving(database, settings, embedders, metrics, measuring)
    suggestions = Suggestions(database, settings, serving, metrics)
    reader = PictureReader(settings, metrics)
    intake = Intake(settings, database, embedders, reader)
    try:
        require_current(database)
        await embedders.open()
        await run_in_threadpool(prepare)
        if follow:  # before anything is opened: a switch waits for this server too
            serving.start()
        await run_in_threadpool(serving.refresh)
        if follow:
            suggestions.start()
        limits = DecodeLimits(settings.max_image_bytes, settings.max_image_pixels)
        async with open_guard(settings, database, metrics) as guard:
            yield State(
                settings=settings,
                database=database,
                embedders=embedders,
                serving=serving,
                suggestions=suggestions,
                thumbnails=Thumbnails(settings.data_dir, limits, settings.source_options().fetch),
                pictures=PictureEmbedder(reader),
                writer=ImageWriter(database, intake, serving),
                metrics=metrics,
                queue=queue,
                drain=Drain(settings.drain_seconds),
                guard=guard,
            )
    finally:
        intake.close()
        reader.close()
        await run_in_threadpool(suggestions.close)
        await run_in_threadpool(serving.close)
        await embedders.close()
        queue.close()
        database.close()


def _state(request: Request) -> State:
    return cast("State", request.state._state)  # noqa: SLF001 - Starlette offers no other whole


AppState = Annotated[State, Depends(_state)]
