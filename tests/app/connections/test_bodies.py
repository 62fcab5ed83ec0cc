"""A body that is too long, too slow or not wanted is refused, and its sender can read so."""

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from app.config import Settings
from tests.app.connections.small_app import Events, small_app
from tests.app.raw_http import (
    GENEROUS,
    GET,
    Reader,
    RunningServer,
    connect,
    post,
    running,
    until,
)

LIMIT = 1000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        receive_timeout_seconds=0.3,
        receive_min_bytes_per_second=200,
        max_body_bytes=LIMIT,
        max_batch_bytes=3 * LIMIT,
        port=0,
        log_level="warning",
        _env_file=None,
    )


def chunked(size: int) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)


@pytest.mark.parametrize("way", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_body_that_stops_is_given_up(client: socket.socket, events: Events, way: str) -> None:
    client.sendall(post("/read", way, body=b"5\r\nhel"))
    reader = Reader(client)
    answer = reader.answer()
    assert (answer.status, answer.problem()) == (408, "request_timeout")
    assert answer.headers["connection"] == "close"
    assert reader.is_at_end()
    assert events.cancelled.is_set()


def test_a_body_that_comes_byte_by_byte_is_given_up(client: socket.socket) -> None:
    client.sendall(post("/read", "Content-Length: 900"))
    with suppress(OSError):
        for _ in range(100):
            client.sendall(b"x")
            time.sleep(0.01)
    assert Reader(client).answer().status == 408


def test_a_slow_body_that_keeps_the_pace_is_read(client: socket.socket) -> None:
    client.sendall(post("/read", "Content-Length: 900"))
    for _ in range(45):
        client.sendall(b"x" * 20)
        time.sleep(0.01)
    assert Reader(client).answer().body == b"900"


def test_time_that_the_application_takes_is_not_the_clients(
    client: socket.socket, events: Events
) -> None:
    """A batch is read as fast as it can be embedded."""
    client.sendall(post("/sips", "Content-Length: 900", body=b"x" * 450))
    assert events.begun.wait(GENEROUS)
    client.sendall(b"x" * 450)
    answer = Reader(client).answer()
    assert (answer.status, answer.body) == (200, b"900")


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("POST", "/read", LIMIT),
        ("POST", "/images:batch", 3 * LIMIT),
        ("POST", "/read?/images:batch", LIMIT),
        ("PUT", "/images:batch", LIMIT),  # an image may be called so
    ],
)
def test_how_long_a_body_may_be(server: RunningServer, method: str, path: str, limit: int) -> None:
    bodies = [
        (f"Content-Length: {limit}", b"x" * limit, b"%d" % limit),
        ("Transfer-Encoding: chunked", chunked(limit), b"%d" % limit),
        (f"Content-Length: {limit + 1}", b"x" * (limit + 1), None),
        ("Transfer-Encoding: chunked", chunked(limit + 1), None),
    ]
    for way, body, expected in bodies:
        with connect(server.port) as client:
            client.sendall(post(path, way, body=body).replace(b"POST", method.encode(), 1))
            answer = Reader(client).answer()
            if expected is None:
                assert (answer.status, answer.problem()) == (413, "body_too_large")
            else:
                assert answer.body == expected


@pytest.mark.parametrize("way", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
def test_who_is_still_sending_can_read_the_refusal(
    settings: Settings, events: Events, way: str
) -> None:
    """Most clients look for an answer when they have sent all, or cannot send."""
    patient = settings.model_copy(update={"receive_timeout_seconds": GENEROUS})
    with running(small_app(patient, events), patient) as server, connect(server.port) as client:
        client.sendall(post("/read", way))
        part = b"x" * 1_000_000
        for _ in range(100):
            client.sendall(part if "Length" in way else b"%x\r\n%b\r\n" % (len(part), part))
        reader = Reader(client)
        answer = reader.answer()
        assert (answer.status, answer.problem()) == (413, "body_too_large")
        assert reader.is_at_end()
        client.close()
        until(lambda: server.connections() == 0)


def test_who_never_stops_sending_is_cut_off(server: RunningServer) -> None:
    with connect(server.port) as client:
        client.sendall(post("/read", "Content-Length: 9000000000"))
        with suppress(OSError):  # reset, or a broken pipe
            while True:
                client.sendall(b"x" * 100_000)
    until(lambda: server.connections() == 0)


def test_nothing_is_asked_for_that_will_be_refused(client: socket.socket) -> None:
    """A client that waits for leave to send hears 413 and not 100."""
    client.sendall(post("/read", "Expect: 100-continue", f"Content-Length: {LIMIT + 1}"))
    assert Reader(client).answer().status == 413


def test_an_answer_that_needed_no_body_leaves_the_connection_usable(client: socket.socket) -> None:
    reader = Reader(client)
    client.sendall(post("/unread", "Content-Length: 500"))
    assert reader.answer().body == b'"unread"'
    client.sendall(b"x" * 500 + GET)
    assert reader.answer().body == b'"quick"'


def test_the_rest_of_a_body_nobody_reads_keeps_no_connection_open(server: RunningServer) -> None:
    with connect(server.port) as client:
        reader = Reader(client)
        client.sendall(post("/unread", "Content-Length: 500"))
        assert reader.answer().body == b'"unread"'
        with suppress(OSError):
            for _ in range(100):
                client.sendall(b"x")
                time.sleep(0.01)
        assert reader.is_at_end()
    until(lambda: server.connections() == 0)


def test_a_body_can_be_answered_while_it_comes(client: socket.socket) -> None:
    """None of it goes to whoever only waits for the client to leave."""
    sent = [b"%d" % number for number in range(50)]

    def send() -> None:
        client.sendall(post("/echo", "Transfer-Encoding: chunked"))
        for part in sent:
            client.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        client.sendall(b"0\r\n\r\n")

    sender = threading.Thread(target=send)
    sender.start()
    received = Reader(client).parts()
    sender.join()
    assert received == b"".join(sent)
