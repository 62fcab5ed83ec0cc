"""What is settled about a request before the application sees it. Plain ASGI, no task groups."""

from collections.abc import Iterable
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BodyTooLarge, problem_response


class BodyLimit:
    """Answers 413 once a body is longer than `max_bytes`, declared or not."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = BodyTooLarge(self._max_bytes)
        declared = _header(scope, b"content-length")
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > self._max_bytes):
            response = problem_response(refusal.status, refusal.code, refusal.detail)
            await response(scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_bytes:
                raise refusal
            return message

        await self._app(scope, limited, send)


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


class HeadAsGet:
    """HEAD wherever there is GET: the server leaves the body out, the headers are the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


def _header(scope: Scope, name: bytes) -> str:
    """The first of that name; empty where there is none."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
