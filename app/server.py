"""Run the application under uvicorn."""

import logging
import os
import signal
import socket
from contextlib import closing
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from app import logs
from app.auth import service as keys
from app.config import Settings
from app.connections.protocol import GRACE_SECONDS, HttpConnection
from app.console import console
from app.embedders import encoder_options
from app.listening import CannotServe, is_loopback, require_free
from app.main import create_app
from app.observing import tracing
from indexer.catalog.db import Database, require_current
from models.batching.memory import settle_memory
from models.registry import shared_encoder
from models.worker.link import require_worker_url

logger = logging.getLogger(__name__)

SERVICE = "noongil-api"

_START_SECONDS = 60
"""A process of several that is silent for so long is replaced. It says nothing while it imports
PyTorch: with uvicorn's own 5 s, none was seen to come up on a machine under load.
"""

_AFTER_GRACE_SECONDS = 5
"""For what is cut off to notice; then its task is cancelled, whatever it waits for."""


def run(settings: Settings, workers: int = 1) -> None:
    """Serve until interrupted. Raises CannotServe, CannotTrace, CatalogError, ModelError."""
    if settings.auth == "off" and not settings.allow_open and not is_loopback(settings.host):
        raise CannotServe(
            f"refusing to listen on {settings.host} with authentication off: anyone who "
            "reaches it could read and delete. Set NOONGIL_ALLOW_OPEN=true to do it anyway"
        )
    require_free(settings.host, settings.port)
    tracing.configure(settings, SERVICE)
    if settings.encoder_url:
        require_worker_url(settings.encoder_url)
    # What would fail within uvicorn, as a traceback, fails here as a line.
    with closing(Database(settings.database_url)) as database:
        require_current(database)
        if settings.auth == "on" and not keys.has_working_key(database):
            logger.warning(
                "there is no key that works, so nobody can call the API: make one by "
                "`noongil keys create --name NAME --scope admin`"
            )
    if workers == 1:
        if not settings.encoder_url:
            shared_encoder(settings.model, encoder_options(settings))
        _Announcing(uvicorn.Config(create_app(settings), **options(settings))).run()
        return
    # The processes read their settings from the environment, as this one did.
    os.environ["NOONGIL_HOST"] = settings.host
    how = {"factory": True, "workers": workers, **options(settings)}
    config = uvicorn.Config("app.server:process_app", **how)
    Processes(config, [config.bind_socket()]).run()


def process_app() -> FastAPI:
    """Of one process of several."""
    settings = Settings()
    logs.configure(settings)
    tracing.configure(settings, SERVICE)
    return create_app(settings)


def options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told, of one process and of several."""
    return {
        "host": settings.host,
        "port": settings.port,
        "http": HttpConnection,
        "ws": "none",
        "log_level": settings.log_level,
        "log_config": None,  # its lines go where all lines go
        "access_log": False,  # it would write queries
        # What is bound to a request's context stays there: a connection that reads on in the
        # middle of one would pass it to the next.
        "reset_contextvars": True,
        "timeout_worker_healthcheck": _START_SECONDS,
        "timeout_graceful_shutdown": round(GRACE_SECONDS) + _AFTER_GRACE_SECONDS,
    }


class _Announcing(uvicorn.Server):
    """Prints the address once it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            settle_memory()
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            console.print(f"\nNoongil is ready: [bold]http://{shown}:{port}[/bold]\n")


class Processes(Multiprocess):
    """Serve the same address. A second signal, which uvicorn notes and forgets, ends them where
    they stand.
    """

    def terminate_all(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end_all())
        super().terminate_all()

    def _end_all(self) -> None:
        for each in self.processes:
            each.process.kill()
