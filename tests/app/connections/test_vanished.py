"""Nobody works on for a client that is gone, and nobody else notices that it went."""

import gc
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings
from app.connections import protocol
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

SLOW = GET.replace(b"quick", b"slow")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, port=0, log_level="warning", _env_file=None)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """That a client went is nothing to log."""
    yield
    gc.collect()
    assert caplog.messages == []


def vanish(client: socket.socket, *, with_a_reset: bool = False) -> None:
    if with_a_reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("with_a_reset", [False, True])
@pytest.mark.parametrize(
    "request_",
    [
        SLOW,
        GET.replace(b"quick", b"stream"),
        GET.replace(b"quick", b"stream?wait=1000"),
        post("/read", "Content-Length: 100", body=b"half"),
        post("/read", "Transfer-Encoding: chunked", body=b"4\r\nhalf\r\n"),
        post("/echo", "Transfer-Encoding: chunked", body=b"4\r\nhalf\r\n"),
        GET + SLOW,
        SLOW + SLOW[:20],
    ],
    ids=["handler", "stream", "silent stream", "body", "chunks", "echo", "second", "half a second"],
)
def test_its_request_is_cancelled(
    server: RunningServer, events: Events, request_: bytes, *, with_a_reset: bool
) -> None:
    client = connect(server.port)
    client.sendall(request_)
    assert events.begun.wait(GENEROUS)
    vanish(client, with_a_reset=with_a_reset)
    assert events.cancelled.wait(GENEROUS)
    until(lambda: not server.server_state.tasks)
    assert not events.finished.is_set()


def test_what_runs_in_a_thread_runs_to_its_end(server: RunningServer, events: Events) -> None:
    client = connect(server.port)
    client.sendall(GET.replace(b"quick", b"threaded"))
    assert events.begun.wait(GENEROUS)
    vanish(client)
    until(lambda: server.connections() == 0)
    assert server.server_state.tasks, "it keeps its place among the threads"
    events.release.set()
    assert events.finished.wait(GENEROUS)
    until(lambda: not server.server_state.tasks)


def test_what_comes_after_a_thread_is_cancelled(server: RunningServer, events: Events) -> None:
    client = connect(server.port)
    client.sendall(GET.replace(b"quick", b"relay"))
    assert events.begun.wait(GENEROUS)
    vanish(client)
    until(lambda: server.connections() == 0)
    assert not events.cancelled.is_set()
    events.release.set()
    assert events.cancelled.wait(GENEROUS)
    until(lambda: not server.server_state.tasks)


def test_clients_that_come_and_go_get_no_more_threads_than_others(
    server: RunningServer, events: Events
) -> None:
    for _ in range(100):
        client = connect(server.port)
        client.sendall(GET.replace(b"quick", b"threaded"))
        vanish(client)
    assert events.begun.wait(GENEROUS)
    with connect(server.port) as client:
        client.sendall(GET)
        assert Reader(client).answer().status == 200
    assert sum("AnyIO worker" in thread.name for thread in threading.enumerate()) <= 40
    events.release.set()
    until(lambda: not server.server_state.tasks)


def test_what_a_handler_does_after_its_answer_is_done(
    server: RunningServer, events: Events
) -> None:
    client = connect(server.port)
    client.sendall(GET.replace(b"quick", b"afterwards"))
    assert Reader(client).answer().status == 200
    assert events.begun.wait(GENEROUS)
    vanish(client)
    until(lambda: server.connections() == 0)
    events.release.set()
    assert events.finished.wait(GENEROUS)


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off(
    settings: Settings, events: Events
) -> None:
    settings = settings.model_copy(update={"receive_timeout_seconds": 0.3})
    with running(small_app(settings, events), settings) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.sendall(GET.replace(b"quick", b"stream?size=100000&wait=0"))
        assert events.cancelled.wait(GENEROUS)
        until(lambda: server.connections() == 0)


def test_a_stop_lets_what_was_begun_finish(settings: Settings, events: Events) -> None:
    with running(small_app(settings, events), settings) as server:
        with connect(server.port) as client, connect(server.port) as idle:
            idle.sendall(GET[:10])
            client.sendall(SLOW + GET)
            assert events.begun.wait(GENEROUS)
            server.handle_exit(signal.SIGTERM, None)
            assert Reader(idle).is_at_end()
            events.release.set()
            reader = Reader(client)
            assert [reader.answer().body for _ in range(2)] == [b'"slow"', b'"quick"']
            assert reader.is_at_end()
        server._captured_signals.clear()  # uvicorn would raise it again in this process
    assert events.finished.is_set()


def test_a_stop_does_not_wait_for_ever(
    settings: Settings, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "GRACE_SECONDS", 0.2)
    with running(small_app(settings, events), settings) as server, connect(server.port) as client:
        client.sendall(GET.replace(b"quick", b"stream"))
        assert events.begun.wait(GENEROUS)
        server.should_exit = True
        assert events.cancelled.wait(GENEROUS)
