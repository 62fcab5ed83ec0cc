"""What the service costs beside the framework that it stands on.

python -m bench.service [--rounds 5] [--seconds 2]

Method: two servers, each one uvicorn process with one BLAS and OpenMP thread and no access
log, pinned to the first core; the client (`bench.load`) has the second.

bare       a FastAPI endpoint that reads the same request model and returns, as its declared
           response model, the same 20 hits from memory
noongil    the real application over an index of synthetic pictures made with the starter

Rounds alternate: bare; the application on 50 questions over and over, whose answers it keeps as
long as the collection stays as it is; on the same texts in questions that differ, so that it
keeps their embeddings and searches anew; on texts that were never asked before. Where something
else shares the cores, the rate of a round suffers and the processor time of a request suffers
less (the caches are shared too): both are printed. "less encoder" takes off the processor time
that the encoder needs for such a text by itself, measured before on the same core in batches as
large as the number of connections. Latencies come from rounds with one connection, after the
others.
"""

import argparse
import contextlib
import itertools
import json
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import Request, urlopen

import numpy as np
import uvicorn
from fastapi import FastAPI
from PIL import Image
from rich.console import Console
from rich.table import Table

from app.config import Settings
from app.main import create_app
from app.search.response import SearchResponse
from app.search.schemas import SearchRequest
from app.server import options
from bench.load import Outcome, drive, post
from indexer.catalog import db
from indexer.catalog.db import Database
from indexer.embedding.run import EmbedOptions
from indexer.indexing import Indexing
from indexer.pictures.decode import DecodeLimits
from indexer.progress import Silent
from indexer.sources.folder import FolderSource
from indexer.writing import IndexingOptions
from models.encoding import encode_texts
from models.registry import load_encoder

CONNECTIONS = 16
K = 20
PICTURES = 300
SERVER_CORE, CLIENT_CORE = 0, 1
BARE, REAL = "/search", "/v1/collections/bench/search"

Given = TypeVar("Given")

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_TICKS = os.sysconf("SC_CLK_TCK")
_KNOWN = [f"{thing} {number}" for number in range(25) for thing in ("빨간 운동화", "red sneakers")]


@dataclass
class Side:
    """One kind of request to one server, and what its rounds brought."""

    name: str
    port: int
    pid: int
    requests: Iterator[bytes]
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    """Seconds of the server's processor time a request, one a round."""
    alone: Outcome = field(default_factory=Outcome)

    def round(self, seconds: float) -> None:
        before = cpu_seconds(self.pid)
        outcome = drive(self.port, self.requests, CONNECTIONS, seconds)
        assert set(outcome.statuses) == {200}, outcome.statuses
        self.rates.append(outcome.rate)
        self.costs.append((cpu_seconds(self.pid) - before) / outcome.answers)

    @property
    def cost(self) -> float:
        return statistics.median(self.costs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    with tempfile.TemporaryDirectory() as folder:
        settings = indexed(Path(folder))
        with multiprocessing.get_context("spawn").Pool(1) as alone:
            encoding = alone.apply(encoder_seconds)
        os.sched_setaffinity(0, {CLIENT_CORE})
        with started(serve_real, settings) as real:
            answer = ask(real.port, REAL, _KNOWN[0])
            with started(serve_bare, answer) as bare:
                sides = contestants(bare, real)
                measure(sides, arguments.rounds, arguments.seconds)
    report(sides, encoding)


def indexed(folder: Path) -> Settings:
    """A data folder with a collection of synthetic pictures."""
    settings = Settings(data_dir=folder / "data", log_level="warning", _env_file=None)
    random = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for number in range(PICTURES):
        coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8))
        coarse.resize((64, 64)).save(folder / "pictures" / f"사진-{number:03}.png")
    db.upgrade(settings.database_url)
    with contextlib.closing(Database(settings.database_url)) as database:
        options = EmbedOptions(DecodeLimits(), threads=1, batch_size=32)
        indexing = Indexing(database, settings.data_dir, IndexingOptions(options))
        source, encoder = FolderSource(folder / "pictures"), load_encoder("starter")
        indexing.run("bench", source, encoder, Silent(), recall=0.95)
    return settings


def new_texts() -> Iterator[str]:
    return (f"{text} {number}" for number in itertools.count(100) for text in ("파란 구두", "hat"))


def encoder_seconds(batches: int = 25) -> float:
    """Processor time that the starter takes for one text of `new_texts`, in this process."""
    os.sched_setaffinity(0, {SERVER_CORE})
    encoder, texts = load_encoder("starter"), new_texts()
    before = time.process_time()
    for _ in range(batches):
        encode_texts(encoder, list(itertools.islice(texts, CONNECTIONS)))
    return (time.process_time() - before) / (batches * CONNECTIONS)


@dataclass(frozen=True)
class Server:
    port: int
    pid: int


@contextlib.contextmanager
def started(serve: Callable[[int, Given], None], given: Given) -> Iterator[Server]:
    """`serve(port, given)` in a process of its own, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, given))
    process.start()
    try:
        while not _listens(port):
            assert process.is_alive(), "the server did not start"
            time.sleep(0.05)
        assert process.pid is not None
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.join()


def serve_bare(port: int, answer: bytes) -> None:
    app = FastAPI()
    held = SearchResponse.model_validate_json(answer)

    @app.post(BARE)
    async def search(_: SearchRequest) -> SearchResponse:
        return held

    _serve(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


def serve_real(port: int, settings: Settings) -> None:
    _serve(create_app(settings), **{**options(settings), "port": port, "log_level": "warning"})


def _serve(app: FastAPI, **how: Any) -> None:
    os.sched_setaffinity(0, {SERVER_CORE})
    uvicorn.run(app, **how)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, path: str, text: str) -> bytes:
    body = json.dumps({"text": text, "k": K}).encode()
    request = Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"})
    with urlopen(request) as response:  # noqa: S310 - the address is this function's own
        return bytes(response.read())


def contestants(bare: Server, real: Server) -> list[Side]:
    def over_and_over(path: str) -> Iterator[bytes]:
        return itertools.cycle([post(path, {"text": text, "k": K}) for text in _KNOWN])

    new = (post(REAL, {"text": text, "k": K}) for text in new_texts())
    narrowed = (
        post(REAL, {"text": text, "k": K, "min_relevance": number / 1e9})
        for number, text in enumerate(itertools.cycle(_KNOWN))
    )
    return [
        Side("bare", bare.port, bare.pid, over_and_over(BARE)),
        Side("noongil, asked before", real.port, real.pid, over_and_over(REAL)),
        Side("noongil, known texts", real.port, real.pid, narrowed),
        Side("noongil, new texts", real.port, real.pid, new),
    ]


def measure(sides: list[Side], rounds: int, seconds: float) -> None:
    for side in sides:  # a warm-up that counts for nothing
        drive(side.port, side.requests, CONNECTIONS, 1)
    for _ in range(rounds):
        for side in sides:
            side.round(seconds)
    for side in sides:
        side.alone = drive(side.port, side.requests, connections=1, seconds=seconds)


def report(sides: list[Side], encoding: float) -> None:
    bare = sides[0]
    table = Table("", "answers/s", "×bare", "CPU µs", "×bare by CPU", "less encoder", "p50", "p99")
    for side in sides:
        rate = statistics.median(side.rates)
        own = side.cost - (encoding if "new" in side.name else 0)
        table.add_row(
            side.name,
            f"{rate:,.0f}",
            f"{rate / statistics.median(bare.rates):.2f}",
            f"{side.cost * 1e6:.0f}",
            f"{bare.cost / side.cost:.2f}",
            f"{bare.cost / own:.2f}",
            f"{side.alone.milliseconds(50):.2f} ms",
            f"{side.alone.milliseconds(99):.2f} ms",
        )
    Console(width=110).print(table)
    print(f"the encoder's own processor time for a new text: {encoding * 1e6:.0f} µs")


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    main()
