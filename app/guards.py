"""What is settled about a request before the application sees it. Plain ASGI, no task groups."""

import sys
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BodyTooLarge, problem_response


class BodyLimit:
    """Answers 413 once a body is too long, declared or not."""

    def __init__(self, app: ASGIApp, max_bytes: int, max_batch_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_batch_bytes = max_batch_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope)
        declared, read = _declared_length(scope), 0

        async def limited() -> Message:
            nonlocal read
            if declared <= limit:
                message = await receive()
                read += len(message.get("body", b""))
                if read <= limit:
                    return message
            raise BodyTooLarge(f"a body is at most {limit} bytes here")

        await self._app(scope, limited, send)

    def _limit(self, scope: Scope) -> int:
        """Of a batch the lines are bodies each, and limited where they are read."""
        is_batch = scope["path"].endswith("/images:batch") and scope["method"] == "POST"
        return self._max_batch_bytes if is_batch else self._max_bytes


class HostGuard:
    """Answers only to the names in `allowed`.

    A page of another site can have its own name resolve to this machine (DNS rebinding); its
    requests still carry that name as Host.
    """

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        self._app = app
        self._allowed = frozenset(host.lower() for host in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._host(scope) not in self._allowed:
            detail = "this server does not answer to that Host: see NOONGIL_ALLOWED_HOSTS"
            response = problem_response(HTTPStatus.BAD_REQUEST, "host_not_allowed", detail)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    @staticmethod
    def _host(scope: Scope) -> str:
        host = _header(scope, b"host").lower()
        name, colon, port = host.rpartition(":")
        return name if colon and port.isdigit() else host


class PathGuard:
    """Answers only to paths in UTF-8: of any other, two that differ would be read as the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_utf8(scope):
            detail = "the path is not UTF-8, percent-encoded"
            response = problem_response(HTTPStatus.BAD_REQUEST, "bad_request", detail)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


class HeadAsGet:
    """HEAD wherever there is GET: the server leaves the body out, the headers are the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


def _is_utf8(scope: Scope) -> bool:
    """The server has put U+FFFD in place of what is not."""
    if "\ufffd" not in scope["path"]:
        return True
    try:
        unquote_to_bytes(scope["raw_path"]).decode()
    except UnicodeDecodeError:
        return False
    return True


def _declared_length(scope: Scope) -> int:
    """In bytes; 0 where it is not declared, and much where it has more digits than Python reads."""
    length = _header(scope, b"content-length")
    if not length.isdecimal():
        return 0
    return int(length) if len(length) < 19 else sys.maxsize


def _header(scope: Scope, name: bytes) -> str:
    """The first of that name; empty where there is none."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
