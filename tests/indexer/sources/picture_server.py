"""A picture server on loopback that answers as it is told."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class PictureServer(ThreadingHTTPServer):
    """`pages` answer by path; `asked` counts the requests to each."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, Callable[[Handler], None]] = {}
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def put(self, path: str, body: bytes = b"", status: int = 200, **headers: str) -> str:
        """Answer `path` with `body`; the URL. In names of headers `_` stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = lambda handler: handler.answer(status, named, body)
        return self.url + path

    def then(self, path: str, *answers: Callable[["Handler"], None]) -> str:
        """Answer with one after another; the last from then on."""
        left = list(answers)

        def answer(handler: "Handler") -> None:
            with self.lock:
                current = left.pop(0) if len(left) > 1 else left[0]
            current(handler)

        self.pages[path] = answer
        return self.url + path

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has heard enough hangs up: nothing to report."""


class Handler(BaseHTTPRequestHandler):
    server: PictureServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.asked[self.path] += 1
        page = self.server.pages.get(self.path)
        if page is None:
            self.answer(404, {}, b"no such page")
        else:
            page(self)

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        asked = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if status == 206:
            body = body[int(asked[0]) : int(asked[2]) + 1]
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@contextmanager
def picture_server() -> Iterator[PictureServer]:
    with PictureServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
