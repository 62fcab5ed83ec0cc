"""`noongil encoder`."""

from pathlib import Path
from typing import Annotated

import typer

from app import encoder
from app.config import Settings
from models.worker.server import Address


def encoder_worker(
    model: Annotated[str | None, typer.Option(help="Model; default: the setting's.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8001,
    uds: Annotated[Path | None, typer.Option(help="Unix socket to listen on instead.")] = None,
) -> None:
    """Serve an encoder to many servers: one process a device."""
    settings = Settings()
    encoder.run(settings, model or settings.model, Address(host, port, uds))
