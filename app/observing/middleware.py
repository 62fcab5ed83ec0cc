"""The outermost of the application: it sees each answer, also that to what nobody expected."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.observing.access_log import write_line
from app.observing.exchange import Exchange, enter
from app.observing.metrics import HttpMetrics
from app.observing.request_ids import as_header, request_id_of
from models.request_id import REQUEST_ID


class Observed:
    """Names each request; counts it, and writes its line, when it is answered."""

    def __init__(self, app: ASGIApp, *, access_log: bool) -> None:
        self._app = app
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(request_id_of(scope), scope["method"], time.perf_counter())
        enter(scope, exchange)
        # Not taken back: each request has a task of its own, and whoever logs last needs it too.
        REQUEST_ID.set(exchange.request_id)

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = [*message.get("headers", ()), as_header(exchange.request_id)]
                message = {**message, "headers": headers}
            else:
                exchange.sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            metrics: HttpMetrics = scope["state"]["metrics"].http
            metrics.observe(exchange)
            if self._access_log:
                write_line(scope, exchange)
