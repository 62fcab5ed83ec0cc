"""A span for each request, named by its route, around all that the application does for it."""

from typing import Any

from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.observing.exchange import exchange_of

_NOT_TRACED = frozenset({"/healthz", "/readyz", "/metrics"})
_WHOLE, _ERROR = "noongil.whole", "noongil.error"


class Traced:
    """The library that makes the span writes down addresses and errors as they came: it is shown
    neither the query, nor the key, nor what an error says.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._library: Any = OpenTelemetryMiddleware(
            self._unveiled, default_span_details=_by_method, exclude_spans=["receive", "send"]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _NOT_TRACED:
            await self._app(scope, receive, send)
            return
        headers = [header for header in scope["headers"] if header[0] != b"authorization"]
        veiled = {**scope, "query_string": b"", "headers": headers, _WHOLE: scope}
        await self._library(veiled, receive, send)
        if (error := veiled.get(_ERROR)) is not None:
            raise error

    async def _unveiled(self, veiled: Scope, receive: Receive, send: Send) -> None:
        scope: Scope = veiled[_WHOLE]

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                _name_span(scope)
            await send(message)

        try:
            await self._app(scope, receive, named)
        except Exception as error:  # noqa: BLE001 - it is raised again, outside of the span
            veiled[_ERROR] = error


def _by_method(scope: Scope) -> tuple[str, dict[str, str]]:
    return scope["method"], {}


def _name_span(scope: Scope) -> None:
    """Once the route is known. The span ends with the answer, before the application returns."""
    exchange = exchange_of(scope)
    if exchange is not None:
        span = trace.get_current_span()
        span.update_name(f"{exchange.method} {exchange.route}")
        span.set_attribute("http.route", exchange.route)
        span.set_attribute("noongil.request_id", exchange.request_id)
