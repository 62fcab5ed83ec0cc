"""One line a request: who asked for what, and what came of it. Never the query: it holds texts."""

import logging
import time

from starlette.types import Scope

from app.observing.exchange import Exchange

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)
"""It is asked for by a setting of its own, whatever else is left out."""


def write_line(scope: Scope, exchange: Exchange) -> None:
    raw_path = scope.get("raw_path") or scope["path"].encode()
    path = raw_path.partition(b"?")[0].decode("ascii", "backslashreplace")
    duration_ms = round((time.perf_counter() - exchange.started) * 1000, 2)
    client = scope.get("client")
    fields = {
        "request_id": exchange.request_id,
        "method": exchange.method,
        "route": exchange.route,
        "path": path,
        "status": exchange.status,
        "duration_ms": duration_ms,
        "bytes": exchange.sent,
        "client": client[0] if client else None,
        "key": exchange.key_id,
        "collection": exchange.collection,
    }
    logger.info(
        "%s %s %d %.2f ms %d bytes",
        exchange.method,
        path,
        exchange.status,
        duration_ms,
        exchange.sent,
        extra={name: value for name, value in fields.items() if value is not None},
    )
