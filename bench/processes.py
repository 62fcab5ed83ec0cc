"""Servers for benchmarks: real processes, each held to cores of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import httpx
from prometheus_client.parser import text_string_to_metric_families

_START_SECONDS = 120.0


@contextmanager
def noongil(
    arguments: Sequence[str], url: str, cores: set[int], settings: Mapping[str, str]
) -> Iterator[int]:
    """`noongil …` until the block ends; its process id, once `url`/readyz says yes."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(len(cores)))
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "app", *arguments],
        env={**os.environ, **threads, "NOONGIL_LOG_LEVEL": "error", **settings},
        preexec_fn=partial(os.sched_setaffinity, 0, cores),  # noqa: PLW1509 - no threads yet
    )
    try:
        _wait_until_ready(process, url)
        yield process.pid
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


@dataclass(frozen=True)
class Batches:
    """What a worker has encoded so far, by its own count and clock."""

    texts: float
    batches: float
    seconds: float


def batches_of(url: str) -> Batches:
    with _http(url) as http:
        metrics = http.get("/metrics").text
    values = {
        sample.name: sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.labels.get("kind") == "text"
    }
    size, seconds = "noongil_encode_batch_size", "noongil_encode_batch_seconds"
    names = (f"{size}_sum", f"{size}_count", f"{seconds}_sum")
    return Batches(*(values.get(name, 0.0) for name in names))


def _http(url: str) -> httpx.Client:
    if url.startswith("unix://"):
        transport = httpx.HTTPTransport(uds=url.removeprefix("unix://"))
        return httpx.Client(transport=transport, base_url="http://worker")
    return httpx.Client(base_url=url)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    with _http(url) as http:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if process.poll() is not None:
                raise RuntimeError(f"it ended with {process.returncode}")
            try:
                if http.get("/readyz").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"{url} did not become ready")
