"""What stands behind the proxy in its tests: HTTP servers that say what reached them."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_CHUNK = 1 << 16


class Replica(ThreadingHTTPServer):
    """Answers with its address and what it was sent; `may_go_on` lets streams end."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: str, port: int) -> None:
        super().__init__((address, port), _Echo)
        self.may_go_on = threading.Event()
        self.body_arrived = threading.Event()
        """The first part of a body."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextmanager
def replicas(*addresses: str) -> Iterator[list[Replica]]:
    """Of one port, on addresses of their own."""
    with ExitStack() as stack:
        opened: list[Replica] = []
        for address in addresses:
            replica = stack.enter_context(Replica(address, opened[0].port if opened else 0))
            thread = threading.Thread(target=replica.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            stack.callback(thread.join)
            stack.callback(replica.shutdown)
            stack.callback(replica.may_go_on.set)
            opened.append(replica)
        yield opened


class _Echo(BaseHTTPRequestHandler):
    server: Replica
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.endswith("/events"):
            self._stream("text/event-stream")
        elif self.path == "/refused":
            named = {"Retry-After": "7", "X-Request-Id": "of the application"}
            self._answer(503, {"code": "overloaded"}, named)
        else:
            self._answer(200, {"padding": "한글 " * 500} if self.path == "/long" else {})

    def do_POST(self) -> None:
        length, read = int(self.headers["Content-Length"]), 0
        while arrived := len(self.rfile.read1(min(_CHUNK, length - read))):
            read += arrived
            self.server.body_arrived.set()
        if read < length:  # the client is gone
            self.close_connection = True
            return
        self._answer(200, {"read": read})

    def _stream(self, media_type: str) -> None:
        """The second line comes when the test allows."""
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data: 1\n\n")
        self.server.may_go_on.wait()
        self.wfile.write(b"data: 2\n\n")

    def _answer(
        self, status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
    ) -> None:
        received = {name.lower(): value for name, value in self.headers.items()}
        seen = {"at": self.server.server_address[0], "path": self.path, "headers": received}
        content = json.dumps(seen | dict(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
