"""Half a request, garbage and other protocols cost their sender the connection, and nobody else."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.config import Settings
from app.connections.protocol import MAX_HEAD_BYTES, MAX_HEADERS
from tests.app.connections.small_app import Events
from tests.app.raw_http import (
    GENEROUS,
    GET,
    Reader,
    RunningServer,
    connect,
    post,
    until,
)

HALF = b"GET /quick HTTP/1.1\r\nHost: local"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path, receive_timeout_seconds=0.3, port=0, log_level="warning", _env_file=None
    )


def dribble(client: socket.socket, data: bytes) -> None:
    """A byte at a time, until the other side has closed or all is sent."""
    for number in range(len(data)):
        try:
            client.sendall(data[number : number + 1])
        except OSError:
            return
        time.sleep(0.01)


def test_half_a_head_is_answered_once_its_time_is_over(client: socket.socket) -> None:
    client.sendall(HALF)
    reader = Reader(client)
    answer = reader.answer()
    assert (answer.status, answer.problem()) == (408, "request_timeout")
    assert answer.headers["connection"] == "close"
    assert reader.is_at_end()


def test_a_head_that_comes_byte_by_byte_gains_no_time(client: socket.socket) -> None:
    dribble(client, b"GET /quick HTTP/1.1\r\nX: " + b"x" * 100)
    assert Reader(client).answer().status == 408


def test_a_connection_that_says_nothing_is_closed_without_an_answer(client: socket.socket) -> None:
    assert Reader(client).is_at_end()


def test_blank_lines_keep_no_connection_open(client: socket.socket) -> None:
    reader = Reader(client)
    client.sendall(GET)
    assert reader.answer().status == 200
    dribble(client, b"\r\n" * 50)
    assert reader.answer().status == 408


def test_hundreds_of_half_requests_stop_nobody(server: RunningServer) -> None:
    with ExitStack() as stack:
        for number in range(200):
            half = stack.enter_context(connect(server.port))
            half.sendall(HALF if number % 2 else post("/read", "Content-Length: 9", body=b"half"))
        with connect(server.port) as client:
            reader = Reader(client)
            client.sendall(GET)
            assert reader.answer().body == b'"quick"'
        until(lambda: server.connections() == 0)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /quick HTTP/1.1\r\nX: " + b"x" * (2 * MAX_HEAD_BYTES),
        b"GET /quick HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n",
        b"GET /" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n\r\n",
        b"GET /quick HTTP/1.1\r\n" + b"X: x\r\n" * (MAX_HEADERS + 1) + b"\r\n",
    ],
    ids=["endless", "long header", "long address", "many headers"],
)
def test_a_head_has_a_largest_size(client: socket.socket, head: bytes) -> None:
    client.sendall(head)
    answer = Reader(client).answer()
    assert (answer.status, answer.problem()) == (431, "head_too_large")


def test_a_head_of_nearly_that_size_is_read(client: socket.socket) -> None:
    rest = b"X: " + b"x" * (MAX_HEAD_BYTES - 1000) + b"\r\n" + b"Y: y\r\n" * (MAX_HEADERS - 3)
    client.sendall(b"GET /quick HTTP/1.1\r\nHost: localhost\r\n" + rest + b"\r\n")
    assert Reader(client).answer().status == 200


def test_what_follows_a_chunked_body_has_one_too(client: socket.socket, events: Events) -> None:
    client.sendall(post("/read", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\nX: "))
    client.sendall(b"x" * (8 * MAX_HEAD_BYTES))
    assert Reader(client).answer().problem() == "head_too_large"
    assert events.cancelled.wait(GENEROUS)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
        b"hello\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        post("/read", "Content-Length: 3", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        post("/read", "Transfer-Encoding: chunked", body=b"not a length\r\n"),
    ],
    ids=["tls", "words", "http/2", "proxy", "header", "address", "two lengths", "chunk"],
)
def test_what_is_not_http_1_is_answered_as_a_problem(
    client: socket.socket, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client.sendall(garbage)
    reader = Reader(client)
    answer = reader.answer()
    assert (answer.status, answer.problem()) == (400, "bad_request")
    assert reader.is_at_end()
    assert caplog.messages == []


def test_garbage_behind_a_request_does_not_spoil_its_answer(
    client: socket.socket, events: Events
) -> None:
    client.sendall(GET.replace(b"quick", b"slow") + b"\x00garbage" * 10)
    assert events.begun.wait(GENEROUS)
    client.sendall(b"more of it")
    events.release.set()
    reader = Reader(client)
    assert reader.answer().body == b'"slow"'
    assert reader.is_at_end()


def test_half_a_head_behind_a_request_waits_for_its_answer(
    client: socket.socket, events: Events, settings: Settings
) -> None:
    client.sendall(GET.replace(b"quick", b"slow"))
    assert events.begun.wait(GENEROUS)
    client.sendall(GET[:10])
    time.sleep(2 * settings.receive_timeout_seconds)
    client.sendall(GET[10:])
    events.release.set()
    reader = Reader(client)
    assert [reader.answer().body for _ in range(2)] == [b'"slow"', b'"quick"']


def test_many_requests_on_one_connection(client: socket.socket) -> None:
    reader = Reader(client)
    request = post("/read", "Content-Length: 3", body=b"abc")
    for _ in range(3):
        client.sendall(request)
        assert reader.answer().body == b"3"
    client.sendall((GET + request) * 20)
    bodies = [reader.answer().body for _ in range(40)]
    assert bodies == [b'"quick"', b"3"] * 20


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.0, h2c"])
def test_a_wish_for_another_protocol_is_passed_over(client: socket.socket, protocol: str) -> None:
    """Java's client wishes for h2c with the first request of every connection, body or not."""
    wish = ("Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", "HTTP2-Settings: AA")
    upgrade = post("/read", *wish, "Content-Length: 5", body=b"whole")
    chunked = post("/read", *wish, "Transfer-Encoding: chunked", body=b"2\r\nab\r\n0\r\n\r\n")
    get = upgrade.replace(b"POST /read", b"GET /quick").replace(b"Content-Length: 5\r\n", b"")[:-5]
    client.sendall(upgrade + get + chunked + GET)
    reader = Reader(client)
    bodies = [reader.answer().body for _ in range(4)]
    assert bodies == [b"5", b'"quick"', b"2", b'"quick"']


def test_headers_behind_a_body_are_none_of_the_request(server: RunningServer) -> None:
    """A name or a key that is sent there would come after all that judges them."""
    with connect(server.port) as client:
        client.sendall(
            post("/headers", "Transfer-Encoding: chunked", body=b"0\r\nX-Late: 1\r\n\r\n")
        )
        assert b"x-late" not in Reader(client).answer().body
