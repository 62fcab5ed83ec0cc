"""Two servers and a worker of jobs over one catalog, to be killed and started again."""

import multiprocessing
import os
import random
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx

from bench.crashes import noongil
from indexer.catalog import db

COLLECTION = "shop"
WORKER = "jobs"
REQUEST_SECONDS = 60.0
_START_SECONDS = 90.0
_PORTS = range(20_000, 32_000)
_SETTINGS = {
    "NOONGIL_MODEL": "tiny",
    "NOONGIL_BATCH_SIZE": "8",
    "NOONGIL_LEASE_SECONDS": "5",
    "NOONGIL_SWITCH_WAIT_SECONDS": "2",
    "NOONGIL_JOB_ATTEMPTS": "20",
    "NOONGIL_QUERY_TIMEOUT_SECONDS": "30",
    "NOONGIL_REINDEX_AFTER_CHANGES": "150",
    "NOONGIL_LOG_LEVEL": "warning",
    "OMP_NUM_THREADS": "1",
}

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["bench.crashes.run", "pgserver"])


class GaveUp(Exception):
    """Something did not come to pass in the time that it was given."""


class Child:
    """A process of ours, forked from one that has imported everything: it starts in a moment."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self._log = log
        self._arguments = (command, environment, log)
        log.touch()
        self._process: BaseProcess | None = None

    def start(self) -> None:
        self._process = _forking.Process(target=noongil.run, args=self._arguments)
        self._process.start()

    def kill(self) -> None:
        """SIGKILL; it is waited for. Nothing, where it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def require_alive(self) -> None:
        """Raises GaveUp."""
        if self._process is None or not self._process.is_alive():
            last = self._log.read_text(errors="replace")[-2000:]
            raise GaveUp(f"{self.name} ended by itself: {last}")


class Server(Child):
    """`is_up` between its first answer and the moment when it is killed."""

    def __init__(self, name: str, environment: Mapping[str, str], log: Path) -> None:
        self.port = _free_port()
        super().__init__(name, ["serve", "--port", str(self.port)], environment, log)
        self.is_up = False

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=REQUEST_SECONDS)

    def kill(self) -> None:
        self.is_up = False
        super().kill()

    def wait_until_up(self) -> None:
        """Raises GaveUp."""
        over = time.monotonic() + _START_SECONDS
        with self.client() as client:
            while not _is_ready(client):
                self.require_alive()
                if time.monotonic() > over:
                    raise GaveUp(f"{self.name} is not ready after {_START_SECONDS:.0f} s")
                time.sleep(0.05)
        self.is_up = True


@dataclass(frozen=True)
class Shop:
    database_url: str
    data_dir: Path
    photos: Path
    servers: tuple[Server, Server]
    worker: Child

    @property
    def children(self) -> dict[str, Child]:
        return {child.name: child for child in (*self.servers, self.worker)}

    def restart(self, *names: str) -> None:
        """Raises GaveUp."""
        started = [self.children[name] for name in names]
        for child in started:
            child.start()
        for child in started:
            if isinstance(child, Server):
                child.wait_until_up()


@contextmanager
def running_shop(database_url: str, folder: Path) -> Iterator[Shop]:
    """On a new catalog, its processes up; they are gone when the context is left."""
    db.upgrade(database_url)
    data_dir, photos = folder / "data", folder / "photos"
    photos.mkdir(parents=True)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("NOONGIL_")}
    environment = {
        **inherited,
        **_SETTINGS,
        "NOONGIL_DATA_DIR": str(data_dir),
        "NOONGIL_DATABASE_URL": database_url,
    }
    first, second = (Server(n, environment, folder / f"{n}.log") for n in ("first", "second"))
    worker = Child(WORKER, ["jobs"], environment, folder / "jobs.log")
    shop = Shop(database_url, data_dir, photos, (first, second), worker)
    try:
        shop.restart(*shop.children)
        yield shop
    finally:
        for child in shop.children.values():
            child.kill()


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


def _free_port() -> int:
    """Below those that the system gives to clients: while a server is down, none takes its."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise GaveUp("no port is free")
