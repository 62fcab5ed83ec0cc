"""Encoder workers: on a thread, over an encoder that the test holds; and as real processes."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

from prometheus_client import CollectorRegistry

from models.batching.embedder import LocalEmbedder
from models.batching.metrics import EncodeMetrics
from models.types import Encoder
from models.worker.server import Address, WorkerServer
from models.worker.service import Worker

START_SECONDS = 60


@contextmanager
def worker_on_a_thread(
    encoder: Encoder, address: Address, *, wait: bool = True
) -> Iterator[tuple[str, WorkerServer]]:
    """Its URL, once it is ready, and the server. A failure of the server is raised at the end."""
    registry = CollectorRegistry()
    worker = Worker(LocalEmbedder(encoder, EncodeMetrics(registry)), registry)
    ready: Queue[str] = Queue()
    server = WorkerServer(worker, address, ready.put, log_level="error")
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield ready.get(timeout=START_SECONDS) if wait else "", server
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
        assert not thread.is_alive(), "the worker does not stop"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(START_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.02)


class WorkerProcess:
    """`noongil encoder`, as a user starts it."""

    def __init__(self, uds: Path, options: Sequence[str] = ()) -> None:
        command = [sys.executable, "-m", "tests.models.noongil", "encoder", "--uds", str(uds)]
        self._process = subprocess.Popen(
            [*command, *options],
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "NOONGIL_LOG_LEVEL": "info"},
        )
        self.pid = self._process.pid

    def wait_until_ready(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "The encoder is ready" in line:
                threading.Thread(target=self._process.stderr.read, daemon=True).start()
                return
        raise AssertionError("the worker did not become ready")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(START_SECONDS)

    def terminate(self) -> int:
        """Its exit status, once it has drained."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(START_SECONDS)

    def fails_with(self) -> str:
        """What it says where it should not start."""
        _, said = self._process.communicate(timeout=START_SECONDS)
        assert self._process.returncode == 1, said
        return said.strip()

    def close(self) -> None:
        if self._process.poll() is None:
            self.kill()
        if self._process.stderr is not None:
            self._process.stderr.close()
