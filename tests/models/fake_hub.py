"""A model hub on this machine: as much of its protocol as a download needs."""

import hashlib
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

from models.weights import download

_LARGE = 1000  # bytes; what is longer the hub keeps by SHA-256, as Git LFS does


class FakeHub:
    """`files` are keyed "org/name/file"; requests are counted, and may be cut short."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.gated: set[str] = set()
        self.cut_after: list[int] = []
        """Each entry ends one answer of a large file after so many bytes."""
        self.ranges: list[str] = []

    def put(self, repo_id: str, folder: Path) -> None:
        for path in folder.iterdir():
            self.files[f"{repo_id}/{path.name}"] = path.read_bytes()

    def repository(self, repo_id: str) -> dict[str, bytes]:
        start = f"{repo_id}/"
        return {
            key.removeprefix(start): data
            for key, data in self.files.items()
            if key.startswith(start)
        }

    def commit_of(self, repo_id: str) -> str:
        return hashlib.sha1(repo_id.encode(), usedforsecurity=False).hexdigest()

    def listing(self, repo_id: str) -> list[dict[str, object]]:
        return [_entry(name, data) for name, data in self.repository(repo_id).items()]


def _entry(name: str, data: bytes) -> dict[str, object]:
    """As both of the hub's listings have it: the tree's names, and the overview's."""
    sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    entry: dict[str, object] = {"type": "file", "path": name, "rfilename": name}
    entry |= {"size": len(data), "oid": sha1, "blobId": sha1}
    if len(data) > _LARGE:
        sha256 = hashlib.sha256(data).hexdigest()
        entry["lfs"] = {"oid": sha256, "sha256": sha256, "size": len(data), "pointerSize": 130}
    return entry


@contextmanager
def serving_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub that the hub's library is pointed at. Nowhere else can be connected to."""

    class Handler(_Handler):
        pass

    server = _Server(("127.0.0.1", 0), Handler)
    hub = FakeHub(f"http://127.0.0.1:{server.server_port}")
    Handler.hub = hub
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(download, "_PAUSE", 0)
    monkeypatch.setattr(socket.socket, "connect", _connect_here)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client may hang up
            super().handle_error(request, client_address)


_connect = socket.socket.connect


def _connect_here(self: socket.socket, address: tuple[str, int]) -> None:
    assert address[0] == "127.0.0.1", f"a connection to {address}"
    _connect(self, address)


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.hub.requests.append(f"{self.command} {path}")
        parts = path.split("/")
        if parts[:2] == ["api", "models"]:
            self._answer_about("/".join(parts[2:4]), is_tree="tree" in parts)
        else:
            self._answer_file("/".join(parts[:2]), "/".join(parts[4:]), with_body=with_body)

    def _answer_about(self, repo_id: str, *, is_tree: bool) -> None:
        if not self._may_see(repo_id):
            return
        listing = self.hub.listing(repo_id)
        about = {"id": repo_id, "sha": self.hub.commit_of(repo_id), "siblings": listing}
        body = json.dumps(listing if is_tree else about).encode()
        self._send(200, body, {"Content-Type": "application/json"})

    def _may_see(self, repo_id: str) -> bool:
        if repo_id in self.hub.gated:
            self._send(403, b"", {"X-Error-Code": "GatedRepo"})
        elif not self.hub.repository(repo_id):
            self._send(401, b"", {"X-Error-Code": "RepoNotFound"})
        else:
            return True
        return False

    def _answer_file(self, repo_id: str, name: str, *, with_body: bool) -> None:
        data = self.hub.repository(repo_id).get(name)
        if data is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        large = len(data) > _LARGE
        digest = hashlib.sha256(data) if large else hashlib.sha1(data, usedforsecurity=False)
        headers = {"X-Repo-Commit": self.hub.commit_of(repo_id), "ETag": f'"{digest.hexdigest()}"'}
        if not with_body:
            self._send(200, b"", {**headers, "Content-Length": str(len(data))})
            return
        start = self._start_of_range()
        if start > 0:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cut = self.hub.cut_after.pop(0) if large and self.hub.cut_after else None
        self._send(206 if start > 0 else 200, data[start:], headers, cut)

    def _start_of_range(self) -> int:
        asked = self.headers.get("Range", "")
        if asked:
            self.hub.ranges.append(asked)
        return int(asked.removeprefix("bytes=").partition("-")[0] or 0)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True
