"""The whole service (HTTP, worker, index) with one client, at capacity, and at five times that.

python -m bench.whole_service [--device cpu|cuda] [--model ViT-B-32] [--seconds 8]

Method: an open_clip model of true size with random weights, and an index of 300 synthetic pictures.
The worker has the first core (a GPU: the device); the server and the client, which sends raw HTTP
over kept-alive connections, share the second. Queries are three English words, each asked once.

one client      each query waits for the last one's answer. What the service adds to a query is its
                mean time, less the forward passes of these very queries by the worker's own clock,
                less the search as the server reports it of the same queries
at capacity     64 connections that ask as soon as they are answered; then the same with a worker
                whose batches are of one text, which is a service that does not batch
at 70 %, 500 %  of that capacity: queries at random times (Poisson), whether or not others were
                answered; each is timed from the moment when it should have been sent
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from bench.load import drive, post
from bench.open_loop import Offered, offer
from bench.processes import Batches, batches_of, noongil
from bench.queries import queries
from bench.random_model import save_random

SERVER_CORE, CLIENT_CORE = 0, 1
CONNECTIONS = 64
PICTURES = 300
TIMEOUT_SECONDS = 2.0
PATH = "/v1/collections/bench/search"
PORT = 8711


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--seconds", type=float, default=8.0)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = _prepared(folder, arguments.model, arguments.device)
        batched, unbatched = (_Service(folder, settings, texts) for texts in (256, 1))
        with batched.running(timeout=60):
            alone = batched.one_client(arguments.seconds)
            capacity, full_batch = batched.saturated(arguments.seconds)
        with unbatched.running(timeout=60):
            single, _ = unbatched.saturated(arguments.seconds)
        with batched.running(timeout=TIMEOUT_SECONDS):
            loads = {
                share: batched.offered(share * capacity, arguments.seconds) for share in (0.7, 5.0)
            }
    _report(alone, capacity, single)
    _report_loads(loads, full_batch)


class _Service:
    """A server and its worker, whose batches hold so many texts."""

    def __init__(self, folder: Path, settings: Mapping[str, str], max_texts: int) -> None:
        self._uds = folder / f"worker-{max_texts}.sock"
        url = f"unix://{self._uds}"
        self._worker_settings = {**settings, "NOONGIL_ENCODE_MAX_TEXTS": str(max_texts)}
        self._server_settings = {**settings, "NOONGIL_ENCODER_URL": url}
        self._requests = (post(PATH, {"text": text, "k": 20}) for text in queries(max_texts))

    @contextmanager
    def running(self, timeout: float) -> Iterator[None]:
        worker = ["encoder", "--uds", str(self._uds)]
        server = ["serve", "--port", str(PORT)]
        url = f"unix://{self._uds}"
        settings = {**self._server_settings, "NOONGIL_QUERY_TIMEOUT_SECONDS": str(timeout)}
        with (
            noongil(worker, url, {SERVER_CORE}, self._worker_settings),
            noongil(server, f"http://127.0.0.1:{PORT}", {CLIENT_CORE}, settings),
        ):
            drive(PORT, self._requests, 4, 2.0)  # a warm-up that counts for nothing
            yield

    def one_client(self, seconds: float) -> tuple[float, float, float]:
        """Mean milliseconds of an answer, of its forward pass, of its search."""
        texts, before, searching = queries(9_000), batches_of(f"unix://{self._uds}"), []
        latencies = drive(PORT, self._requests, 1, seconds).latencies
        after = batches_of(f"unix://{self._uds}")
        with httpx.Client() as http:
            for _ in range(50):
                body = {"text": next(texts), "k": 20}
                answer = http.post(f"http://127.0.0.1:{PORT}{PATH}", json=body).json()
                searching.append(answer["timings_ms"]["search"])
        forward = _batch_seconds(before, after) * 1000
        return float(np.mean(latencies)) * 1000, forward, float(np.median(searching))

    def saturated(self, seconds: float) -> tuple[float, float]:
        """Answers a second, and the mean seconds of a batch meanwhile."""
        before = batches_of(f"unix://{self._uds}")
        outcome = drive(PORT, self._requests, CONNECTIONS, seconds)
        assert set(outcome.statuses) == {200}, outcome.statuses
        return outcome.rate, _batch_seconds(before, batches_of(f"unix://{self._uds}"))

    def offered(self, rate: float, seconds: float) -> tuple[Offered, float]:
        """What became of the requests, and the mean seconds of a batch meanwhile."""
        before = batches_of(f"unix://{self._uds}")
        outcome = offer(PORT, self._requests, rate, seconds)
        return outcome, _batch_seconds(before, batches_of(f"unix://{self._uds}"))


def _prepared(folder: Path, architecture: str, device: str) -> dict[str, str]:
    """A data folder with a collection of synthetic pictures, as settings."""
    settings = {
        "NOONGIL_DATA_DIR": str(folder / "data"),
        "NOONGIL_MODEL": save_random(architecture, folder),
        "NOONGIL_DEVICE": device,
    }
    random = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for number in range(PICTURES):
        coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8))
        coarse.resize((64, 64)).save(folder / "pictures" / f"{number:03}.png")
    command = [sys.executable, "-m", "app", "index", str(folder / "pictures"), "--collection"]
    subprocess.run([*command, "bench"], env={**os.environ, **settings}, check=True)  # noqa: S603 - ours
    return settings


def _batch_seconds(before: Batches, after: Batches) -> float:
    return (after.seconds - before.seconds) / (after.batches - before.batches)


def _report(alone: tuple[float, float, float], capacity: float, single: float) -> None:
    whole, forward, searching = alone
    print(
        f"one client: {whole:.2f} ms a query = {forward:.2f} encoding + {searching:.2f} searching "
        f"+ {whole - forward - searching:.2f} of the service"
    )
    print(
        f"capacity: {capacity:.0f} queries/s, × {capacity / single:.2f} of {single:.0f} unbatched"
    )


def _report_loads(loads: Mapping[float, tuple[Offered, float]], full_batch: float) -> None:
    columns = ("load", "asked/s", "answered/s", "statuses", "p50", "p99", "told when")
    table = Table(*columns, "p99 / batch at capacity", "p99 / mean batch")
    for share, (outcome, batch) in loads.items():
        p99 = outcome.milliseconds(99)
        table.add_row(
            f"{share:.0%}",
            f"{outcome.rate:.0f}",
            f"{outcome.statuses[200] / outcome.seconds:.0f}",
            str(dict(outcome.statuses)),
            f"{outcome.milliseconds(50):.0f} ms",
            f"{p99:.0f} ms",
            f"{outcome.refusals_told_when} of {outcome.refused}",
            f"{p99 / full_batch / 1000:.2f} × {full_batch * 1000:.0f} ms",
            f"{p99 / batch / 1000:.2f} × {batch * 1000:.0f} ms",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
