"""Whoever has an answer, or a line of the log, finds the other."""

import json
import logging

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from app.collections import service
from app.config import Settings
from app.main import create_app
from app.observing.request_ids import request_id_of
from models.request_id import is_sane
from tests.app.raw_http import Reader, connect, running
from tests.app.shop import opened
from tests.databases import ON_SQLITE


@given(st.text("ABCxyz019._-", min_size=1, max_size=64))
def test_a_sane_id_is_taken(own: str) -> None:
    assert request_id_of({"headers": [(b"x-request-id", own.encode())]}) == own


@given(st.binary())
def test_whatever_is_sent_an_id_may_go_into_logs_and_headers(own: bytes) -> None:
    assert is_sane(request_id_of({"headers": [(b"x-request-id", own)]}))


def test_ids_that_are_made_are_told_apart() -> None:
    made = {request_id_of({"headers": []}) for _ in range(1000)}
    assert len(made) == 1000
    assert all(map(is_sane, made))


def test_the_callers_own_comes_back(client: TestClient) -> None:
    answer = client.get("/v1/collections", headers={"X-Request-Id": "order-7"})
    assert answer.headers["x-request-id"] == "order-7"
    odd = client.get("/v1/collections", headers={"X-Request-Id": "a b\x1b[2J"})
    assert is_sane(odd.headers["x-request-id"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("PATCH", "/v1/collections", 405),
        ("POST", "/v1/collections", 422),
        ("GET", "/v1/collections/none", 404),
        ("GET", "/v1/collections/%ff", 400),
    ],
)
def test_refusals_name_it(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path, headers={"X-Request-Id": "order-7"})
    assert answer.status_code == status
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "order-7"


def test_so_does_what_nobody_expected(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("within")

    monkeypatch.setattr(service, "list_all", fail)
    answer = client.get("/v1/collections")
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


def test_a_host_that_is_refused_is_told_its_id(client: TestClient) -> None:
    answer = client.get("/v1/collections", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


@ON_SQLITE
def test_what_is_no_request_is_refused_with_an_id_that_the_log_has(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    local = settings.model_copy(update={"port": 0})
    with (
        caplog.at_level(logging.INFO),
        running(create_app(local), local) as server,
        connect(server.port) as client,
    ):
        client.sendall(b"NONSENSE\r\n\r\n")
        answer = Reader(client).answer()
    named = answer.headers["x-request-id"]
    assert json.loads(answer.body)["request_id"] == named
    refused = [record for record in caplog.records if record.name == "app.connections.protocol"]
    assert [record.__dict__["request_id"] for record in refused] == [named]


@ON_SQLITE
def test_requests_on_one_connection_have_ids_of_their_own(settings: Settings) -> None:
    local = settings.model_copy(update={"port": 0})
    with running(create_app(local), local) as server, connect(server.port) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        reader = Reader(client)
        assert len({reader.answer().headers["x-request-id"] for _ in range(3)}) == 3


def test_the_description_tells_of_it(settings: Settings) -> None:
    with opened(settings) as client:
        problem = client.get("/openapi.json").json()["components"]["schemas"]["ProblemDetails"]
    assert "request_id" in problem["required"]
