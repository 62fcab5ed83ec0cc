"""A bound on request bodies, enforced while they are read."""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import problem_response


class BodyLimit:
    """Answers 413 once a body is longer than `max_bytes`, declared or not."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_bytes:
                raise _TooLarge
            return message

        try:
            if self._declared(scope) > self._max_bytes:
                raise _TooLarge
            await self._app(scope, limited, send)
        except _TooLarge:
            detail = f"a request body is at most {self._max_bytes} bytes"
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            await problem_response(status, "body_too_large", detail)(scope, receive, send)

    def _declared(self, scope: Scope) -> int:
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        return max((int(length) for length in lengths if length.isdigit()), default=0)


class _TooLarge(BaseException):
    """Passes through every handler between here and the reader of the body."""
