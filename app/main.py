"""The application: its routes, its guards, its life."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from app import embed, errors, health, web
from app.collections import endpoints as collections
from app.config import Settings
from app.guards import BodyLimit, HeadAsGet, HostGuard
from app.images import endpoints as images
from app.search import endpoints as search
from app.serving import Serving
from app.state import State, open_state

logger = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> FastAPI:
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with open_state(settings) as state:
            refresher = asyncio.create_task(_refresh_forever(state["serving"], settings))
            yield state
            refresher.cancel()
            with suppress(asyncio.CancelledError):
                await refresher

    app = FastAPI(
        title="Noongil",
        summary="Semantic image search in Korean and English",
        version="0.1.0",
        lifespan=lifespan,
    )
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(HeadAsGet)
    if not settings.allow_open:
        app.add_middleware(HostGuard, allowed=settings.allowed_hosts)
    errors.install(app)
    search.mount_search(app)
    # Search before images: `…/similar` and `…/thumbnail` are tried before `…/{id}`.
    for router in (health, collections, search, images, embed, web):
        app.include_router(router.router)
    web.mount_static(app)
    return app


async def _refresh_forever(serving: Serving, settings: Settings) -> None:
    while True:
        await asyncio.sleep(settings.refresh_seconds)
        try:
            await run_in_threadpool(serving.refresh)
        except Exception:
            # What is open goes on serving, and the next look may succeed.
            logger.exception("cannot look for new versions")
