"""HTTP by hand, on a real socket to a real server."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from app.config import Settings
from app.server import options
from tests.waiting import until

GENEROUS = 20.0
"""Seconds; nothing here takes a tenth of it unless it fails."""

GET = b"GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n"


class RunningServer(uvicorn.Server):
    """In a thread; `port` and its connections are known once it has started."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(uvicorn.Config(app, **options(settings)))

    @property
    def port(self) -> int:
        return int(self.servers[0].sockets[0].getsockname()[1])

    def connections(self) -> int:
        return len(self.server_state.connections)


@contextmanager
def running(app: FastAPI, settings: Settings) -> Iterator[RunningServer]:
    server = RunningServer(app, settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert thread.is_alive(), "the server did not start"
        yield server
    finally:
        server.should_exit = True
        thread.join(GENEROUS)
        assert not thread.is_alive(), "the server did not stop"


def connect(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), GENEROUS)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> str:
        """Its code; it is problem+json as everywhere else."""
        assert self.headers["content-type"] == "application/problem+json"
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        return str(problem["code"])


class Reader:
    """Answers off a connection, one after the other."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._data = b""

    def answer(self) -> Answer:
        status, *lines = self._until(b"\r\n\r\n").decode().split("\r\n")
        assert status.startswith("HTTP/1.1 "), status
        headers = dict(line.split(": ", 1) for line in lines)
        size = int(headers["content-length"])
        while len(self._data) < size:
            self._receive()
        body, self._data = self._data[:size], self._data[size:]
        return Answer(int(status.split()[1]), headers, body)

    def parts(self) -> bytes:
        """The body of an answer in chunks."""
        self._until(b"\r\n\r\n")
        body = b""
        while size := int(self._until(b"\r\n"), 16):
            part = self._until(b"\r\n")
            assert len(part) == size
            body += part
        return body

    def is_at_end(self) -> bool:
        return not self._data and self._client.recv(1) == b""

    def _until(self, end: bytes) -> bytes:
        while end not in self._data:
            self._receive()
        found, _, self._data = self._data.partition(end)
        return found

    def _receive(self) -> None:
        data = self._client.recv(65536)
        assert data, f"closed after {self._data!r}"
        self._data += data


def post(path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
