"""Run the encoder worker: the model loaded, warmed up, and served until told to stop."""

import logging
import socket
from contextlib import closing
from pathlib import Path

from prometheus_client import CollectorRegistry

from app.config import Settings
from app.console import console
from app.embedders import batch_limits, encoder_options
from app.server import CannotServe, is_loopback, require_free
from models.batching.embedder import LocalEmbedder
from models.batching.metrics import EncodeMetrics
from models.regions.schemes import split
from models.registry import shared_encoder
from models.worker.server import Address, WorkerServer
from models.worker.service import Worker

logger = logging.getLogger(__name__)


def run(settings: Settings, model: str, address: Address) -> None:
    """Serve until interrupted. Raises CannotServe, ModelError; DeviceLost when a device is lost
    on the way, so that whoever supervises the process starts another.
    """
    if address.uds is not None:
        _require_unused(address.uds)
    else:
        require_free(address.host, address.port)
        if not is_loopback(address.host):
            logger.warning("whoever reaches %s can use this encoder: it asks no key", address.host)
    plain, _ = split(model)  # whoever asks for regions sends them one by one
    encoder = shared_encoder(plain, encoder_options(settings))
    registry = CollectorRegistry()
    embedder = LocalEmbedder(encoder, EncodeMetrics(registry), batch_limits(settings))
    worker = Worker(embedder, registry)
    # uvicorn's information is a line or two for every connection that is tried.
    log_level = "warning" if settings.log_level == "info" else settings.log_level
    server = WorkerServer(worker, address, _announce, log_level)
    server.run()
    if server.failure is not None:
        raise server.failure


def _announce(url: str) -> None:
    console.print(f"\nThe encoder is ready: [bold]{url}[/bold]\n")


def _require_unused(path: Path) -> None:
    """A socket that a process listens on would be taken from it. Raises CannotServe."""
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except OSError as error:
            raise CannotServe(f"cannot listen on {path}: {error.strerror or error}") from error
    raise CannotServe(f"cannot listen on {path}: another process does")
