"""What is asked of a key at each request: how it is written, how often, by whom it is seen."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.auth.rate_limit import RateLimits
from app.auth.token import new_token, token_in
from app.collections import service as collections_service
from app.config import Settings
from app.server import run
from indexer.catalog import db
from tests.app.keys import KEYS, administered, bearer, created, guarded, make_key, status
from tests.app.raw_http import Reader
from tests.app.shop import assert_problem, opened, served


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    db.upgrade(url)
    return url


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with administered(settings) as client:
        yield client


def test_keys_are_never_alike() -> None:
    tokens = {str(new_token()) for _ in range(200)}
    assert len({token[3:15] for token in tokens}) == len({token[16:] for token in tokens}) == 200
    assert "secret" not in repr(new_token())


NO_KEYS = [
    {"name": ""},
    {"name": " "},
    {"name": "x" * 65},
    {"name": "a\0b"},
    {"scope": "open"},
    {"scope": "owner"},
    {"expires_at": "2020-01-01T00:00:00Z"},
    {"expires_at": "2030-01-01T00:00:00"},
    {"expires_at": "9999-12-31T23:59:59-14:00"},
    {"requests_per_minute": -1},
    {"requests_per_minute": 2**31},
    {"admin": True},
]


def test_a_key_that_makes_no_sense_is_not_made(client: TestClient) -> None:
    for wrong in NO_KEYS:
        response = client.post(KEYS, json={"name": "shop", "scope": "read", **wrong})
        assert next(iter(wrong)) in assert_problem(response, 422, "invalid_request")
    assert len(client.get(KEYS).json()) == 1, "the administrator's own"


NO_HEADERS = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer ng_",
    "Basic dXNlcjpwYXNz",
    "bearer ng_000000000000_" + "0" * 42,
    "Bearer ng_000000000000_" + "0" * 44,
    "Bearer ng_00000000000é_" + "é" * 43,
    "Bearer 열쇠",
    "Bearer ng_" + "_" * 100,
    "Bearer " + "x" * 100_000,
    "\udcff\udcfe",
]


def test_headers_that_hold_no_key_are_refused_politely(client: TestClient) -> None:
    for header in NO_HEADERS:
        raw = header.encode(errors="surrogateescape")
        response = client.get("/v1/collections", headers={"Authorization": raw})
        assert_problem(response, 401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"


def test_how_the_header_is_written_matters_no_more_than_it_must(
    client: TestClient,
) -> None:
    key = created(client)["key"]
    for header in (f"bearer {key}", f"BEARER  {key} "):
        called = client.get("/v1/collections", headers={"Authorization": header})
        assert called.status_code == 200
    in_address = client.get(f"/v1/collections?key={key}", headers={"Authorization": ""})
    assert in_address.status_code == 401, "addresses are logged"


def test_of_two_keys_none_is_taken(settings: Settings) -> None:
    """A proxy may have judged the other."""
    keys = [f"Authorization: Bearer {make_key(settings, scope).key}" for scope in ("read", "admin")]
    with served(guarded(settings)) as client:
        address = (str(client.base_url.host), client.base_url.port)
        for shown, expected in ((keys, 401), (keys[::-1], 401), (keys[1:], 200)):
            with socket.create_connection(address, 30) as raw:
                lines = [f"GET {KEYS} HTTP/1.1", "Host: localhost", *shown, "", ""]
                raw.sendall("\r\n".join(lines).encode())
                assert Reader(raw).answer().status == expected


@examples(max_examples=200, deadline=None, database=None)
@given(st.binary(max_size=90) | st.from_regex(rb"(?i)bearer +ng_\w{11,13}_\w{42,44} ?"))
def test_no_header_breaks_the_parser(header: bytes) -> None:
    token = token_in(header)
    if token:
        assert str(token).encode() == header.split()[1]
        assert len(str(token)) == len(str(new_token()))


@examples(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=60))
def test_no_header_is_a_fault(client: TestClient, header: bytes) -> None:
    response = client.get("/v1/collections", headers={"Authorization": b"Bearer " + header})
    assert_problem(response, 401, "unauthorized")


def test_a_real_server_refuses_before_the_body_is_sent(settings: Settings) -> None:
    with served(guarded(settings)) as client:
        odd = client.get("/v1/collections", headers={"Authorization": "Bearer 열쇠".encode()})
        assert_problem(odd, 401, "unauthorized")
        address = (str(client.base_url.host), client.base_url.port)
        with socket.create_connection(address, timeout=20) as connection:
            connection.sendall(
                b"POST /v1/collections/shop/search HTTP/1.1\r\nHost: any.example\r\n"
                b"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 401")


class Clock:
    """The limiter's, which stands still until it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_007.5
        for module in (
            "app.auth.rate_limit",
            "limits.aio.strategies",
            "limits.aio.storage.memory",
        ):
            monkeypatch.setattr(f"{module}.time", SimpleNamespace(time=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_key_that_is_used_too_often_is_told_when_to_come_back(
    client: TestClient, clock: Clock
) -> None:
    limited, other = created(client, requests_per_minute=3), created(client)
    assert [status(client, limited["key"]) for _ in range(4)] == [200, 200, 200, 429]
    response = client.get("/v1/collections", headers=bearer(limited["key"]))
    assert "3 requests a minute" in assert_problem(response, 429, "rate_limited")
    assert status(client, other["key"]) == 200, "a limit is of one key"
    clock.now += int(response.headers["retry-after"])
    assert status(client, limited["key"]) == 200
    metrics = client.get("/metrics").text
    assert 'noongil_refused_requests_total{reason="rate_limited"} 2.0' in metrics


def test_the_settings_limit_keys_that_have_no_limit_of_their_own(
    settings: Settings,
    clock: Clock,  # noqa: ARG001 - a minute that ends meanwhile would let more through
) -> None:
    asked = {limit: make_key(settings, "read", limit).key for limit in (None, 0, 4)}
    with opened(guarded(settings, requests_per_minute=2)) as client:
        answered = {
            limit: [status(client, key) for _ in range(6)].count(200)
            for limit, key in asked.items()
        }
        assert answered == {None: 2, 0: 6, 4: 4}
        assert client.get("/healthz").status_code == 200


@examples(
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.integers(1, 6),
    st.lists(st.sampled_from([0, 1]) | st.integers(0, 70_000), min_size=8, max_size=60),
    st.integers(0, 60_000),
)
def test_retry_after_is_true(clock: Clock, per_minute: int, pauses: list[int], start: int) -> None:
    async def ask() -> None:
        limits = RateLimits()
        for pause in pauses:
            clock.now += pause / 1000
            seconds = await limits.hit("key", per_minute)
            if seconds is not None:
                assert 1 <= seconds <= 61
                clock.now += seconds
                assert await limits.hit("key", per_minute) is None

    # Never the very turn of a minute, at which the library's own figure is wrong.
    clock.now = 1_800_000_000.0005 + start / 1000
    asyncio.run(ask())


def test_a_secret_is_in_no_log_and_in_no_answer(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("from within")

    monkeypatch.setattr(collections_service, "create", fail)
    admin, answers = make_key(settings, "admin"), []
    with caplog.at_level(logging.DEBUG), served(guarded(settings)) as client:
        client.headers.update(bearer(admin))
        made = client.post(KEYS, json={"name": "shop", "scope": "read"}).json()
        answers += [
            client.get(KEYS),
            client.post(KEYS, json={"name": made["key"], "scope": "nothing"}),
            client.post("/v1/collections", json={"name": "a"}, headers={"Connection": "close"}),
            client.get("/v1/collections", headers=bearer(made["key"][:-1])),
            client.delete("/v1/collections/shop", headers=bearer(made["key"])),
            client.delete(f"{KEYS}/{made['id']}"),
            client.get("/v1/collections", headers=bearer(made["key"])),
        ]
    assert [answer.status_code for answer in answers] == [200, 422, 500, 401, 403, 204, 401]
    assert made["id"] in caplog.text, "who made and revoked what is on record"
    told = caplog.text + "".join(answer.text for answer in answers)
    for key in (admin.key, made["key"]):
        assert key.rpartition("_")[2][:-1] not in told


def test_with_keys_every_host_is_answered(client: TestClient) -> None:
    """A page that had its name rebound to this machine has no key to show."""
    elsewhere = {"Host": "photos.example"}
    assert client.get("/v1/collections", headers=elsewhere).status_code == 200
    assert client.get("/v1/collections", headers={**elsewhere, "Authorization": ""}).is_error


class Stopped(Exception):
    pass


@pytest.mark.parametrize("with_key", [False, True])
def test_a_server_that_nobody_can_call_says_so(
    settings: Settings,
    with_key: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise Stopped

    if with_key:
        make_key(settings, "read")
    monkeypatch.setattr("uvicorn.Config", stop)
    monkeypatch.setenv("NOONGIL_HOST", "")  # which `run` sets, for its workers
    with pytest.raises(Stopped):
        run(guarded(settings, host="0.0.0.0", port=0), workers=2)  # noqa: S104
    assert ("noongil keys create --name NAME --scope admin" in caplog.text) is not with_key
