"""What `noongil jobs` tells of itself, on a port of its own: is it alive, can it take jobs, how are
they doing. It asks no key: it belongs on loopback, or on a network of the operator's.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.jobs.pulse import Pulse
from app.listening import listen
from indexer.catalog.db import Database, require_current
from indexer.errors import CatalogError

logger = logging.getLogger(__name__)

_STOP_SECONDS = 1
"""For what is being answered at the end."""


class Status:
    def __init__(self, database: Database, pulse: Pulse, registry: CollectorRegistry) -> None:
        self._database = database
        self._pulse = pulse
        self._registry = registry
        self.app = Starlette(
            routes=[
                Route("/healthz", self._alive),
                Route("/readyz", self._ready),
                Route("/metrics", self._metrics),
            ]
        )

    # On threads, as they ask the database.

    def _alive(self, _: Request) -> Response:
        """503 where only a restart helps."""
        if self._pulse.is_stuck:
            return _unavailable("the loop that takes jobs is stuck")
        return JSONResponse({"status": "ok"})

    def _ready(self, request: Request) -> Response:
        if self._pulse.is_stuck:
            return self._alive(request)
        if self._pulse.trouble is not None:
            return _unavailable(self._pulse.trouble)
        try:
            require_current(self._database)
        except CatalogError as error:  # it names servers and users: it is for the log
            logger.warning("not ready: %s", error)
            return _unavailable("the catalog's database cannot be used just now")
        return JSONResponse({"status": "ready"})

    def _metrics(self, _: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


def _unavailable(reason: str) -> Response:
    return JSONResponse({"status": reason}, HTTPStatus.SERVICE_UNAVAILABLE)


@contextmanager
def told(status: Status, host: str, port: int) -> Iterator[None]:
    """On a thread, while the context is open; nothing where the port is 0. Raises CannotServe."""
    if not port:
        yield
        return
    listening = listen(host, port)
    config = uvicorn.Config(
        status.app,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), name="status", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
