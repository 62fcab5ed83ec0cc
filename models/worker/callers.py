"""For whom a call to the worker is made: so that the logs and traces of both can be joined."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from models.request_id import REQUEST_ID, is_sane
from models.tracing import traceparent

FIELD = "callers"
"""Of a call's header. A worker that does not know it leaves it unread."""

_MOST = 8
"""A call carries texts of up to 256 requests; a log line names some."""
_TRACEPARENT_LENGTH = 55


class Caller(NamedTuple):
    request_id: str | None = None
    traceparent: str | None = None


def caller() -> Caller:
    """Of whoever runs this."""
    return Caller(REQUEST_ID.get(), traceparent())


def as_fields(callers: Iterable[Caller]) -> dict[str, Any]:
    """What a header says of them; nothing where there is nothing to say."""
    known = [each for each in dict.fromkeys(callers) if any(each)]
    return {FIELD: known[:_MOST]} if known else {}


def callers_in(header: dict[str, Any]) -> list[Caller]:
    """What is not as it should be is left out: the call is answered all the same."""
    named = header.get(FIELD)
    if not isinstance(named, list):
        return []
    return [
        Caller(_sane_id(each[0]), _sane_parent(each[1]))
        for each in named[:_MOST]
        if isinstance(each, list) and len(each) == len(Caller._fields)
    ]


def _sane_id(request_id: object) -> str | None:
    return request_id if isinstance(request_id, str) and is_sane(request_id) else None


def _sane_parent(parent: object) -> str | None:
    if isinstance(parent, str) and len(parent) == _TRACEPARENT_LENGTH and parent.isascii():
        return parent
    return None
