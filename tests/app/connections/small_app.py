"""A small application behind our guards, whose handlers take as long as a test wants."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, StreamingResponse

from app import errors
from app.config import Settings
from app.guards import BodyLimit

MOST_SECONDS = 20.0


@dataclass
class Events:
    """What became of requests, as their handlers saw it, and when they may go on."""

    begun: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watched(self) -> Iterator[None]:
        self.begun.set()
        try:
            yield
        except BaseException:
            self.cancelled.set()
            raise
        self.finished.set()

    async def released(self) -> None:
        while not self.release.is_set():  # noqa: ASYNC110 - it is set in another thread
            await asyncio.sleep(0.005)


class _Handlers:
    def __init__(self, settings: Settings, events: Events) -> None:
        self._settings = settings
        self._events = events

    async def quick(self) -> str:
        return "quick"

    async def slow(self) -> str:
        with self._events.watched():
            await self._events.released()
        return "slow"

    def threaded(self) -> str:
        with self._events.watched():
            self._events.release.wait(MOST_SECONDS)
        return "threaded"

    async def relay(self) -> str:
        """Waits for a thread, and then for ever."""
        with self._events.watched():
            await run_in_threadpool(self._events.release.wait, MOST_SECONDS)
            await asyncio.sleep(1000)
        return "relay"

    async def stream(self, size: int = 1, wait: float = 0.005) -> StreamingResponse:
        async def endless() -> AsyncIterator[bytes]:
            with self._events.watched():
                while True:
                    yield b"x" * size
                    await asyncio.sleep(wait)

        return StreamingResponse(endless())

    async def afterwards(self, tasks: BackgroundTasks) -> str:
        async def wait() -> None:
            with self._events.watched():
                await self._events.released()

        tasks.add_task(wait)
        return "first"

    async def read(self, request: Request) -> PlainTextResponse:
        with self._events.watched():
            body = await request.body()
        return PlainTextResponse(str(len(body)))

    async def sips(self, request: Request) -> PlainTextResponse:
        """Takes its time over each part of the body."""
        size = 0
        self._events.begun.set()
        async for part in request.stream():
            size += len(part)
            await asyncio.sleep(1.5 * self._settings.receive_timeout_seconds)
        return PlainTextResponse(str(size))

    async def echo(self, request: Request) -> StreamingResponse:
        """Answers each part of the body while the next is still to come."""

        async def parts() -> AsyncIterator[bytes]:
            with self._events.watched():
                async for part in request.stream():
                    yield part

        return StreamingResponse(parts())

    async def headers(self, request: Request) -> PlainTextResponse:
        """The names of those that are there once the body is read."""
        await request.body()
        return PlainTextResponse(" ".join(request.headers))

    async def unread(self) -> str:
        return "unread"


def small_app(settings: Settings, events: Events) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        yield {"settings": settings}

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(BodyLimit, settings.max_body_bytes, settings.max_batch_bytes)
    errors.install(app)
    handlers = _Handlers(settings, events)
    for name in ("quick", "slow", "threaded", "relay", "stream", "afterwards"):
        app.add_api_route(f"/{name}", getattr(handlers, name), response_model=None)
    for name in ("read", "sips", "echo", "headers", "unread"):
        app.add_api_route(
            f"/{name}", getattr(handlers, name), methods=["POST"], response_model=None
        )
    app.add_api_route("/images:batch", handlers.read, methods=["POST", "PUT"], response_model=None)
    return app
