"""A process that is told to stop: nobody who asks it notices, if they look at /readyz."""

import asyncio
import shutil
import signal
import time
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from models.worker.client import EncoderClient
from tests.app.servers import Process, free_port
from tests.app.shop import assert_problem, index
from tests.waiting import until

SEARCH = "/v1/collections/shop/search"
LONG = 600
"""Seconds; where a test ends before, nothing has waited for them."""


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'catalog.db')}"


def serve(settings: Settings, folder: Path, *options: str, drain_seconds: float) -> Process:
    return Process(
        folder,
        "serve",
        *options,
        port=free_port(),
        data_dir=settings.data_dir,
        database_url=settings.database_url,
        drain_seconds=drain_seconds,
    )


@pytest.mark.parametrize(("workers", "status"), [(1, -signal.SIGTERM), (2, 0)])
def test_requests_are_answered_while_balancers_find_out(
    settings: Settings, tmp_path: Path, photos: Path, workers: int, status: int
) -> None:
    index(settings, photos)
    with serve(settings, tmp_path, "--workers", str(workers), drain_seconds=2.0) as server:
        until(lambda: server.answers(f"{server.url}/readyz"))
        server.tell_to_stop()
        until(lambda: server.answers(f"{server.url}/readyz", 503))
        with httpx.Client(base_url=server.url) as client:
            detail = assert_problem(client.get("/readyz"), 503, "not_ready")
            answer = client.get(SEARCH, params={"q": "빨강", "k": 1})
            assert client.get("/healthz").status_code == 200
        assert detail == "the server is stopping"
        assert [hit["id"] for hit in answer.json()["hits"]] == ["red.png"]
        assert answer.headers["connection"] == "close", "the next request goes to another server"
        assert server.end() == status


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_signal_does_not_wait(settings: Settings, tmp_path: Path, workers: int) -> None:
    with serve(settings, tmp_path, "--workers", str(workers), drain_seconds=LONG) as server:
        until(lambda: server.answers(f"{server.url}/readyz"))
        server.tell_to_stop()
        until(lambda: server.answers(f"{server.url}/readyz", 503))
        server.tell_to_stop()
        server.end()
        until(lambda: not server.listens())


def test_ctrl_c_does_not_wait_either(settings: Settings, tmp_path: Path) -> None:
    with serve(settings, tmp_path, drain_seconds=LONG) as server:
        until(lambda: server.answers(f"{server.url}/readyz"))
        server.process.send_signal(signal.SIGINT)
        server.end()


def test_an_encoder_goes_on_encoding(tmp_path: Path) -> None:
    port = free_port()
    with Process(tmp_path, "encoder", "--port", str(port), port=port, drain_seconds=2.0) as encoder:
        until(lambda: encoder.answers(f"{encoder.url}/readyz"))
        asyncio.run(_encode_while_it_drains(encoder))
        assert encoder.end() == -signal.SIGTERM


async def _encode_while_it_drains(encoder: Process) -> None:
    client = EncoderClient(encoder.url)
    await client.open()
    encoder.tell_to_stop()
    await asyncio.to_thread(until, lambda: encoder.answers(f"{encoder.url}/readyz", 503))
    assert len(await client.embed_texts(["빨강"], time.monotonic() + 10)) == 1
    await client.close()
