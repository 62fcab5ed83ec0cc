"""The real application behind our connections."""

import json
import pickle
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvicorn

from app.config import Settings
from app.main import create_app
from app.server import options
from indexer.catalog import db
from tests.app.raw_http import Reader, connect, post, running
from tests.app.shop import index
from tests.waiting import until

QUESTION = json.dumps({"text": "red", "k": 1})
SEARCH = post(
    "/v1/collections/shop/search",
    "Content-Type: application/json",
    f"Content-Length: {len(QUESTION)}",
    body=QUESTION.encode(),
)


@pytest.fixture
def served(tmp_path: Path, photos: Path) -> Settings:
    """With a collection `shop`."""
    url = f"sqlite:///{tmp_path}/catalog.db"
    db.upgrade(url)
    settings = Settings(
        model="tiny",
        data_dir=tmp_path / "data",
        database_url=url,
        port=0,
        log_level="warning",
        max_body_bytes=1000,
        _env_file=None,
    )
    index(settings, photos)
    return settings


def test_a_search_does_not_wait_for_clients_that_send_half_of_theirs(served: Settings) -> None:
    with running(create_app(served), served) as server, ExitStack() as stack:
        for number in range(200):
            half = stack.enter_context(connect(server.port))
            half.sendall(SEARCH[: 20 if number % 2 else -5])
        client = stack.enter_context(connect(server.port))
        client.sendall(SEARCH * 3)
        reader = Reader(client)
        for _ in range(3):
            answer = reader.answer()
            assert answer.status == 200
            assert [hit["id"] for hit in json.loads(answer.body)["hits"]]


@pytest.mark.parametrize("path", ["/v1/collections/shop/search", "/v1/collections", "/nowhere"])
def test_who_sends_too_much_reads_that_it_was(served: Settings, path: str) -> None:
    with running(create_app(served), served) as server, connect(server.port) as client:
        size = 5_000_000
        headers = ("Content-Type: application/json", f"Content-Length: {size}")
        client.sendall(post(path, *headers, body=b"x" * size))
        answer = Reader(client).answer()
        expected = (404, "not_found") if path == "/nowhere" else (413, "body_too_large")
        assert (answer.status, answer.problem()) == expected


def test_several_processes_are_told_the_same_as_one(served: Settings) -> None:
    """They are spawned: what uvicorn is told goes to them in a pickle."""
    config = uvicorn.Config("app.main:create_app", factory=True, workers=2, **options(served))
    config = pickle.loads(pickle.dumps(config))  # noqa: S301 - our own
    assert config.http is options(served)["http"]


def test_a_stop_ends_the_events_of_a_job(served: Settings) -> None:
    """Else whoever has the admin page open holds up every restart until it is cut off."""
    with running(create_app(served), served) as server, connect(server.port) as client:
        client.sendall(post("/v1/admin/collections/shop/reindex"))
        reader = Reader(client)
        job_id = json.loads(reader.answer().body)["job_id"]
        client.sendall(
            f"GET /v1/admin/jobs/{job_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        until(lambda: client.recv(1, socket.MSG_PEEK))
        server.should_exit = True
        events = reader.parts()  # to its regular end, which a connection that is cut off has not
    assert events.startswith(b"event: job\n")
    assert b'"queued"' in events
