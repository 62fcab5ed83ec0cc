"""What it costs a request to be observed: by ids and metrics, by the access log, by traces.

python -m bench.observing

A search whose answer is in memory is asked of the application without a socket. Each way of
observing is timed beside the bare application, turn by turn in one process; microseconds are of the
processor, on the thread that answers, and medians over the rounds. The limit is that of what every
request pays.
"""

import asyncio
import json
import logging
import tempfile
from pathlib import Path
from statistics import median
from time import thread_time

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from PIL import Image
from rich.console import Console
from rich.table import Table
from starlette.types import ASGIApp, Message

from app import logs
from app.config import Settings
from app.main import create_app
from app.observing.middleware import Observed
from app.observing.traced import Traced
from app.state import State, open_state
from indexer.catalog import db
from models import registry, tracing
from tests.app.shop import index

LIMIT_MICROSECONDS = 20
ROUNDS = 400
REQUESTS = 20
"""A round."""
PICTURES = 200
BODY = json.dumps({"text": "빨강", "k": 20}).encode()


def main() -> None:
    registry._SCHEMES["tiny"] = "tests.tiny_encoder"  # noqa: SLF001 - as the tests do
    with tempfile.TemporaryDirectory() as folder:
        settings = _with_collection(Path(folder))
        # Lines are formatted and written, to where they cost nothing more.
        handler = logging.StreamHandler((Path(folder) / "log").open("w"))
        handler.setFormatter(logs._Json())  # noqa: SLF001 - as it is configured
        logging.basicConfig(handlers=[handler])
        asyncio.run(_measure(settings))


def _with_collection(folder: Path) -> Settings:
    settings = Settings(
        model="tiny", data_dir=folder, database_url=f"sqlite:///{folder}/catalog.db"
    )
    db.upgrade(settings.database_url)
    photos = folder / "photos"
    photos.mkdir()
    for number in range(PICTURES):
        Image.new("RGB", (16, 16), (number, 255 - number, number // 2)).save(
            photos / f"{number}.png"
        )
    index(settings, photos)
    return settings


async def _measure(settings: Settings) -> None:
    app = create_app(settings)
    bare: ASGIApp = FastAPI.build_middleware_stack(app)
    async with open_state(settings) as state:
        ways = {
            "ids and metrics": Observed(bare, access_log=False),
            "the access log too": Observed(bare, access_log=True),
            "traces too": Traced(Observed(bare, access_log=True)),
        }
        table = Table("a cached search", "µs", "µs more", f"of {LIMIT_MICROSECONDS}")
        for name, observed in ways.items():
            if isinstance(observed, Traced):
                _turn_on_traces()
            without, more = await _paired(app, state, bare, observed)
            share = f"{more / LIMIT_MICROSECONDS:.2f}" if name == "ids and metrics" else ""
            table.add_row(f"with {name}", f"{without + more:.0f}", f"{more:.1f}", share)
        table.add_row("bare", f"{without:.0f}", "", "")
    Console().print(table)


def _turn_on_traces() -> None:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    trace.set_tracer_provider(provider)
    tracing.turn_on()


async def _paired(
    app: FastAPI, state: State, bare: ASGIApp, observed: ASGIApp
) -> tuple[float, float]:
    """Microseconds of the bare application, and how many more the other takes."""
    plain, more = [], []
    for _ in range(ROUNDS):
        first, second = await _round(app, state, bare), await _round(app, state, observed)
        plain.append(first)
        more.append(second - first)
    return median(plain), median(more)


async def _round(app: FastAPI, state: State, asked: ASGIApp) -> float:
    started = thread_time()
    for _ in range(REQUESTS):
        await asked(_scope(app, state), _receive, _send)
    return (thread_time() - started) / REQUESTS * 1e6


def _scope(app: FastAPI, state: State) -> dict[str, object]:
    path = "/v1/collections/shop/search"
    length = str(len(BODY)).encode()
    return {
        "type": "http",
        "app": app,
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"content-length", length),
        ],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8000),
        "state": dict(state),
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": BODY, "more_body": False}


async def _send(message: Message) -> None:
    if message["type"] == "http.response.start":
        assert message["status"] == 200, message


if __name__ == "__main__":
    main()
