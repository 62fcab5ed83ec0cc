"""What the application holds while it runs, and how endpoints get at it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, TypedDict, cast

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from app.config import Settings
from app.embedders import Embedders
from app.images.thumbnails import Thumbnails
from app.metrics import Metrics
from app.serving import Serving
from indexer.catalog.db import Database, require_current
from indexer.pictures.decode import DecodeLimits


class State(TypedDict):
    settings: Settings
    database: Database
    embedders: Embedders
    serving: Serving
    thumbnails: Thumbnails
    metrics: Metrics


@asynccontextmanager
async def open_state(settings: Settings) -> AsyncIterator[State]:
    """The model loaded, the versions open. Raises CatalogError, ModelError: what cannot work
    does not start.
    """
    database = Database(settings.database_url)
    metrics = Metrics()
    embedders = Embedders(settings, metrics)
    serving = Serving(database, settings.data_dir, embedders, metrics)
    try:
        require_current(database)
        await embedders.open()
        serving.refresh()
        limits = DecodeLimits(settings.max_image_bytes, settings.max_image_pixels)
        yield State(
            settings=settings,
            database=database,
            embedders=embedders,
            serving=serving,
            thumbnails=Thumbnails(
                settings.data_dir / "thumbnails", limits, settings.source_options().fetch
            ),
            metrics=metrics,
        )
    finally:
        await run_in_threadpool(serving.close)
        await embedders.close()
        database.close()


def open_catalog(settings: Settings) -> Database:
    """Reached, and at the revision that this program needs. Raises CatalogError."""
    database = Database(settings.database_url)
    require_current(database)
    return database


def _state(request: Request) -> State:
    return cast("State", request.state._state)  # noqa: SLF001 - Starlette offers no other whole


AppState = Annotated[State, Depends(_state)]
