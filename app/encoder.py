"""Run the encoder worker: the model loaded, warmed up, and served until told to stop."""

import logging
import socket
from contextlib import closing
from pathlib import Path

from app.config import Settings
from app.console import console
from app.embedders import batch_limits, encoder_options
from app.listening import CannotServe, is_loopback, require_free
from app.metrics import process_registry
from app.observing import tracing
from models.batching.embedder import LocalEmbedder
from models.batching.metrics import EncodeMetrics
from models.regions.schemes import split
from models.registry import shared_encoder
from models.worker.server import Address, WorkerServer
from models.worker.service import Worker

logger = logging.getLogger(__name__)


def run(settings: Settings, model: str, address: Address) -> None:
    """Serve until interrupted. Raises CannotServe, CannotTrace, ModelError; DeviceLost when a
    device is lost on the way, so that whoever supervises the process starts another.
    """
    if address.uds is not None:
        _require_unused(address.uds)
    else:
        require_free(address.host, address.port)
        if not is_loopback(address.host):
            logger.warning("whoever reaches %s can use this encoder: it asks no key", address.host)
    tracing.configure(settings, "noongil-encoder")
    plain, _ = split(model)  # whoever asks for regions sends them one by one
    encoder = shared_encoder(plain, encoder_options(settings))
    registry = process_registry()
    embedder = LocalEmbedder(encoder, EncodeMetrics(registry), batch_limits(settings))
    worker = Worker(embedder, registry, settings.drain_seconds)
    # uvicorn's information is a line or two for every connection that is tried.
    log_level = "warning" if settings.log_level == "info" else settings.log_level
    server = _Traced(worker, address, _announce, log_level)
    server.run()
    if server.failure is not None:
        raise server.failure


class _Traced(WorkerServer):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        tracing.flush()


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
