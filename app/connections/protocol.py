"""HTTP/1.1 as uvicorn speaks it, to clients that are slow, silent, or gone.

uvicorn alone waits for the rest of a head for ever, keeps as much of it as comes, lets a handler
work on for a client that has left, and resets the connection of one that still sends when it is
refused. httptools reads here, and never h11, with which a request takes 90 µs more: one of the two
is enough to hold to bounds.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import httptools
from anyio import to_thread
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.config import Settings
from app.connections.refusal import Refusal, bad_request
from app.connections.slow_body import SlowBody
from app.connections.transport import ClosedByProtocol
from models.worker.drain import Drain

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100

GRACE_SECONDS = 20.0
"""What is still being answered so long after the server stopped listening is cut off."""

STOPPING = "noongil.stopping"
"""In the scope of a request that is being answered when the server is told to stop: an answer
without an end had better end.
"""

_THREAD_SECONDS = 0.05
"""How often it is looked whether a thread is done that nobody waits for."""


class HttpConnection(HttpToolsProtocol):
    """One connection. uvicorn makes it; the settings come with the application's state."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        settings: Settings = app_state["settings"]
        self._patience = settings.receive_timeout_seconds
        self._min_pace = settings.receive_min_bytes_per_second
        self._drain: Drain | None = app_state.get("drain")
        self._application = cast("ASGIApp", self.app)
        self.app = cast("ASGI3Application", self._answer)
        self._inner: asyncio.Transport
        self._deadline: asyncio.TimerHandle | None = None
        """Of the head that is awaited, or of a client that is heard out."""
        self._loose = 0
        """Bytes since the last that made a head, a part of a body, or its end."""
        self._at_most = 0
        """Bytes of a head that becomes whole now: what came before in the same piece included."""
        self._is_in_body = False
        self._is_deaf = False
        """What still comes is dropped."""
        self._is_lingering = False
        self._answering: RequestResponseCycle | None = None
        self._task: asyncio.Task[None] | None = None
        """That answers, until the answer is complete."""

    # The connection's life

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._inner = transport
        self.transport = ClosedByProtocol(transport, self._close, self._is_closing)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Ends the connection of a client that takes nothing of what it is sent.
            option = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(self._patience * 1000))
            transport.get_extra_info("socket").setsockopt(*option)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_deadline(None)
        # Before uvicorn wakes who waits for a body, and takes the half that came for the whole.
        self._abandon()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if not self._is_lingering:
            super().shutdown()
            if self._answering is not None:
                self._answering.scope[STOPPING] = True  # type: ignore[literal-required]
            self.loop.call_later(GRACE_SECONDS, self._inner.abort)

    def _close(self) -> None:
        """At once, if the client has said all. One that is still sending would be reset, and might
        never read its answer: it is heard out until it closes, or its time is over.
        """
        if self._is_closing():
            return
        if not (self._is_in_body or self._is_deaf):
            self._inner.close()
            return
        self._is_deaf = self._is_lingering = True
        self._inner.write_eof()
        self.flow.resume_reading()
        self._set_deadline(self._inner.abort)

    def _is_closing(self) -> bool:
        return self._is_lingering or self._inner.is_closing()

    def _set_deadline(self, passed: Callable[[], None] | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = passed and self.loop.call_later(self._patience, passed)

    # What comes in

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._unset_keepalive_if_required()
        self._loose += len(data)
        self._at_most = self._loose
        try:
            self._parse(data)
            if self._loose > MAX_HEAD_BYTES:
                raise _head_too_large()
        except Refusal as refusal:
            self._refuse(refusal)
        except httptools.HttpParserError as error:
            reason = error.__context__
            self._refuse(reason if isinstance(reason, Refusal) else bad_request("not HTTP/1.1"))
        else:
            if self._loose and not self._is_in_body and self._deadline is None:
                self._expect_head()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        if len(self.headers) > MAX_HEADERS or self._head_bytes() > MAX_HEAD_BYTES:
            raise _head_too_large()
        # From 2.4 on a streaming response has no task of its own that waits for the client to go,
        # and swallows what is left of the body while it waits.
        self.scope["asgi"]["spec_version"] = "2.4"
        super().on_headers_complete()
        self.headers = []  # what follows a chunked body are no headers of the request
        self._loose = 0
        self._is_in_body = True
        if self._deadline is not None:
            self._set_deadline(None)

    def on_body(self, body: bytes) -> None:
        self._loose = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._loose = 0
        self._is_in_body = False
        super().on_message_complete()

    def _head_bytes(self) -> int:
        """Counted where it may matter: that takes 1 µs."""
        if self._at_most <= MAX_HEAD_BYTES:
            return self._at_most
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _parse(self, data: bytes) -> None:
        rest: bytes | memoryview = data
        while rest:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = memoryview(rest)[upgrade.args[0] :]
                self._read_again_without_upgrade()
            else:
                return

    def _read_again_without_upgrade(self) -> None:
        """There is no other protocol here. But httptools leaves off where one would begin, and
        takes a body (Java's client sends `Upgrade: h2c` with every first request) for it.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise bad_request("this server is no proxy")
        headers = [line for line in self.headers if line[0] != b"upgrade"]
        lines = [b"%s %s HTTP/%s" % (method, self.url, version), *map(b": ".join, headers)]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def _expect_head(self) -> None:
        self._set_deadline(self._head_is_late)

    def _head_is_late(self) -> None:
        if self._answering is not None:
            self._expect_head()  # what comes behind a request has as much time after its answer
        elif self._loose and not self._is_in_body:
            detail = f"the request's head was not whole within {self._patience:g} seconds"
            self._refuse(Refusal(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", detail))
        else:
            # Browsers open connections ahead of need: an answer to nothing would be shown for one.
            self._close()

    def _refuse(self, refusal: Refusal) -> None:
        self._is_deaf = True
        if self._answering is not None and not self._is_in_body:
            self.cycle.keep_alive = False  # what was asked before is answered
            return
        has_begun = self._answering is not None and self._answering.response_started
        self._abandon()
        if not has_begun:
            logger.info("refused: %s", refusal, extra={"request_id": refusal.request_id})
            self._inner.write(refusal.to_bytes(self.server_state.default_headers))
        self._close()

    # What is answered

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle = self._answering
        assert cycle is not None  # noqa: S101 - this is its task
        if cycle.disconnected:
            return
        self._task = asyncio.current_task()
        if self._drain is not None and self._drain.has_begun and not self.pipeline:
            cycle.keep_alive = False  # or the client's next request might meet the end
        if cycle.more_body:
            receive = SlowBody(receive, self._patience, self._min_pace).receive
        try:
            await self._application(scope, receive, send)
        except asyncio.CancelledError:
            if not cycle.disconnected:
                raise

    def on_response_complete(self) -> None:
        self._answering = self._task = None
        super().on_response_complete()
        if self._is_in_body and self._answering is None and not self._is_closing():
            self._expect_head()  # the rest of a body that nobody reads included

    def _abandon(self) -> None:
        """Nobody waits for the answer any more."""
        if self._answering is not None:
            self._answering.disconnected = True
        if self._task is not None:
            self._call_off(self._task)

    def _call_off(self, task: asyncio.Task[None]) -> None:
        """Not while it waits for a thread, which cannot be stopped: the thread's place would be
        free for the next, and clients that come and go could have any number of threads.
        """
        if task in to_thread.current_default_thread_limiter().statistics().borrowers:
            self.loop.call_later(_THREAD_SECONDS, self._call_off, task)
        else:
            task.cancel()


def _head_too_large() -> Refusal:
    detail = f"a request's head is at most {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers"
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return Refusal(status, "head_too_large", detail)
