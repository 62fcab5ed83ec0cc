"""One request and its answer, as logs, metrics and traces tell of it."""

from dataclasses import dataclass

from starlette.types import Scope

_KEY = "noongil.exchange"

UNKNOWN_ROUTE = "other"
"""Of what meets no endpoint of the application: static files, and addresses that are not there.
Their paths are anybody's, without end.
"""

CLIENT_GONE = 499
"""In place of a status, where the client left before it was told one; nginx calls it so."""


@dataclass(slots=True)
class Exchange:
    request_id: str
    method: str
    started: float
    """By `time.perf_counter`."""
    route: str = UNKNOWN_ROUTE
    """The template of its path."""
    collection: str | None = None
    key_id: str | None = None
    """The public part of the key that was shown, where one was asked for and is known."""
    status: int = CLIENT_GONE
    sent: int = 0
    """Bytes of the answer's body."""


def enter(scope: Scope, exchange: Exchange) -> None:
    """Copies of the scope, which middleware makes, have it as well."""
    scope[_KEY] = exchange


def exchange_of(scope: Scope) -> Exchange | None:
    """None where nobody observes."""
    exchange: Exchange | None = scope.get(_KEY)
    return exchange
