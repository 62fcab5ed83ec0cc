"""What the application holds while it runs, and how endpoints get at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypedDict, cast

from fastapi import Depends, Request

from app.config import Settings
from app.images.thumbnails import Thumbnails
from app.metrics import Metrics
from app.serving import Serving
from indexer.catalog.db import Database, require_current
from indexer.decode import DecodeLimits


class State(TypedDict):
    settings: Settings
    database: Database
    serving: Serving
    thumbnails: Thumbnails
    metrics: Metrics


@contextmanager
def open_state(settings: Settings) -> Iterator[State]:
    """The model loaded, the versions open. Raises CatalogError, ModelError: what cannot work
    does not start.
    """
    database = Database(settings.database_url)
    metrics = Metrics()
    serving = Serving(database, settings.data_dir, metrics)
    try:
        require_current(database)
        serving.embedder(settings.model)
        serving.refresh()
        limits = DecodeLimits(settings.max_image_bytes, settings.max_image_pixels)
        yield State(
            settings=settings,
            database=database,
            serving=serving,
            thumbnails=Thumbnails(settings.data_dir / "thumbnails", limits),
            metrics=metrics,
        )
    finally:
        serving.close()
        database.close()


def _state(request: Request) -> State:
    return cast("State", request.state._state)  # noqa: SLF001 - Starlette offers no other whole


AppState = Annotated[State, Depends(_state)]
