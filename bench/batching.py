"""The worker's batching against the encoder alone and against one query at a time.

python -m bench.batching [--device cpu|cuda] [--model ViT-B-32] [--seconds 6] [--rounds 3]

Method: an open_clip model of true size with random weights. The encoder alone, the worker, and a
worker that takes one text at a time are processes that share the first core (a GPU: the device),
with as many threads; the client, in this process, has the second. They take turns, so that what
disturbs the machine disturbs each.

encoder alone    `encode_tokens` of a full batch, over and over: the most there is to have
worker           512 callers who each wait for an answer before they ask again, over a Unix socket
one at a time    the same, where a batch is one text

Then queries arrive at random (Poisson) at 70 % of what the worker answered, and the time of each is
compared with that of a full batch and with that of the mean batch which the worker then made.
Queries are three English words, each asked once.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.processes import batches_of, noongil
from bench.queries import queries
from bench.random_model import save_random
from models.config import EncoderOptions
from models.errors import ModelError
from models.worker.client import EncoderClient

CALLERS = 512
SERVER_CORE, CLIENT_CORE = 0, 1
FULL_BATCH = 256

_stream = queries(seed=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        spec = save_random(arguments.model, Path(folder))
        alone = stack.enter_context(_Alone(spec, arguments.device))
        batched, single = (
            stack.enter_context(_worker(spec, arguments.device, Path(folder), texts))
            for texts in (FULL_BATCH, 1)
        )
        asyncio.run(_run(alone, batched, single, arguments))


async def _run(alone: "_Alone", batched: str, single: str, arguments: argparse.Namespace) -> None:
    rates: dict[str, list[float]] = {"encoder alone": [], "worker": [], "one at a time": []}
    batch_seconds = []
    for _ in range(arguments.rounds):
        rate, seconds = alone.measure(FULL_BATCH, arguments.seconds)
        rates["encoder alone"].append(rate)
        batch_seconds.append(seconds)
        rates["worker"].append(await _saturate(batched, arguments.seconds))
        rates["one at a time"].append(await _saturate(single, arguments.seconds))
    _print_rates(rates, arguments)
    load = await _offer(batched, 0.7 * statistics.median(rates["worker"]), 2 * arguments.seconds)
    _, mean_seconds = alone.measure(max(1, round(load.mean_batch)), arguments.seconds / 2)
    _print_load(load, statistics.median(batch_seconds), mean_seconds)


@dataclass(frozen=True)
class _Load:
    """What queries that arrive at random met."""

    asked_a_second: float
    mean_batch: float
    latencies: list[float]
    failed: int


class _Alone:
    """The encoder in a process with nothing around it."""

    def __init__(self, spec: str, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_encode_forever, args=(there, spec, device))

    def __enter__(self) -> Self:
        self._process.start()
        self._here.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._here.send(None)
        self._process.join()

    def measure(self, texts: int, seconds: float) -> tuple[float, float]:
        """Texts a second, and the median seconds of a batch."""
        self._here.send((_queries(texts), seconds))
        times: list[float] = self._here.recv()
        return texts * len(times) / sum(times), statistics.median(times)


def _encode_forever(orders: Connection, spec: str, device: str) -> None:
    os.sched_setaffinity(0, {SERVER_CORE})
    import torch  # noqa: PLC0415 - after the core is chosen

    from models.registry import load_encoder  # noqa: PLC0415 - as above

    torch.set_num_threads(1)
    encoder = load_encoder(spec, EncoderOptions(device=device))
    encoder.warm_up(FULL_BATCH, 8192)
    orders.send("ready")
    while order := orders.recv():
        texts, seconds = order
        tokens = encoder.tokenize(texts)
        until, times = time.perf_counter() + seconds, []
        while not times or time.perf_counter() < until:
            started = time.perf_counter()
            encoder.encode_tokens(tokens)
            times.append(time.perf_counter() - started)
        orders.send(times)


@contextmanager
def _worker(spec: str, device: str, folder: Path, texts: int) -> Iterator[str]:
    """The URL of a worker whose batches hold so many texts."""
    path = folder / f"{texts}.sock"
    command = ["encoder", "--model", spec, "--uds", str(path)]
    settings = {"NOONGIL_DEVICE": device, "NOONGIL_ENCODE_MAX_TEXTS": str(texts)}
    with noongil(command, f"unix://{path}", {SERVER_CORE}, settings):
        yield f"unix://{path}"


async def _saturate(url: str, seconds: float) -> float:
    """Answers a second to callers who ask as soon as they are answered."""
    client = EncoderClient(url)
    await client.open()
    answered = 0

    async def call() -> None:
        nonlocal answered
        while (now := time.monotonic()) < until:
            await client.embed_texts(_queries(1), now + 600)
            answered += time.monotonic() < until

    until = time.monotonic() + seconds
    await asyncio.gather(*(call() for _ in range(CALLERS)))
    await client.close()
    return answered / seconds


async def _offer(url: str, rate: float, seconds: float) -> _Load:
    """Queries that do not wait for one another, at random times."""
    client = EncoderClient(url)
    await client.open()
    before = batches_of(url)
    latencies: list[float] = []
    failed = 0

    async def ask(at: float) -> None:
        nonlocal failed
        await asyncio.sleep(at - time.monotonic())
        try:
            await client.embed_texts(_queries(1), at + 60)
            latencies.append(time.monotonic() - at)
        except ModelError:
            failed += 1

    gaps = np.random.default_rng(0).exponential(1 / rate, int(rate * seconds))
    start = time.monotonic() + 0.1
    await asyncio.gather(*(ask(start + at) for at in np.cumsum(gaps)))
    await client.close()
    after = batches_of(url)
    mean_batch = (after.texts - before.texts) / (after.batches - before.batches)
    return _Load(rate, mean_batch, latencies, failed)


def _queries(texts: int) -> list[str]:
    return list(islice(_stream, texts))


def _print_rates(rates: dict[str, list[float]], arguments: argparse.Namespace) -> None:
    table = Table(
        "who", "texts/s", "× encoder alone", title=f"{arguments.model}, {arguments.device}"
    )
    alone = statistics.median(rates["encoder alone"])
    for name, measured in rates.items():
        rate = statistics.median(measured)
        table.add_row(name, f"{rate:.0f}", f"{rate / alone:.2f}")
    Console(width=100).print(table)


def _print_load(load: _Load, full_seconds: float, mean_seconds: float) -> None:
    p50, p99 = np.percentile(load.latencies, (50, 99))
    table = Table(title=f"{load.asked_a_second:.0f} queries/s at random, {load.failed} failed")
    for column in ("", "ms", "× full batch", f"× batch of {load.mean_batch:.0f}"):
        table.add_column(column)
    for name, seconds in (
        ("p50", p50),
        ("p99", p99),
        (f"batch of {FULL_BATCH}", full_seconds),
        (f"batch of {load.mean_batch:.0f}, the mean", mean_seconds),
    ):
        table.add_row(
            name,
            f"{seconds * 1000:.1f}",
            f"{seconds / full_seconds:.2f}",
            f"{seconds / mean_seconds:.2f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
