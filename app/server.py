"""Run the application under uvicorn."""

import logging
import os
import socket
from contextlib import closing
from ipaddress import ip_address
from typing import Any

import uvicorn

from app.auth import service as keys
from app.config import Settings
from app.connections.protocol import HttpConnection
from app.console import console
from app.embedders import encoder_options
from app.errors import Problem
from app.main import create_app
from indexer.catalog.db import Database, require_current
from models.batching.memory import settle_memory
from models.registry import shared_encoder
from models.worker.link import require_worker_url

logger = logging.getLogger(__name__)


class CannotServe(Problem):
    """The server may not or cannot listen where it was told to."""


def run(settings: Settings, workers: int = 1) -> None:
    """Serve until interrupted. Raises CannotServe, CatalogError, ModelError."""
    if settings.auth == "off" and not settings.allow_open and not is_loopback(settings.host):
        raise CannotServe(
            f"refusing to listen on {settings.host} with authentication off: anyone who "
            "reaches it could read and delete. Set NOONGIL_ALLOW_OPEN=true to do it anyway"
        )
    require_free(settings.host, settings.port)
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
    uvicorn.run("app.main:create_app", factory=True, workers=workers, **options(settings))


def options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told, of one process and of several."""
    return {
        "host": settings.host,
        "port": settings.port,
        "http": HttpConnection,
        "ws": "none",
        "log_level": settings.log_level,
        "access_log": settings.log_level == "debug",
    }


def require_free(host: str, port: int) -> None:
    """Say that the port is taken before minutes go into an index. Raises CannotServe."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotServe(f"cannot listen on {host}:{port}: {error.strerror}") from error


class _Announcing(uvicorn.Server):
    """Prints the address once it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            settle_memory()
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            console.print(f"\nNoongil is ready: [bold]http://{shown}:{port}[/bold]\n")


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
