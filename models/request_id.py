"""For whom work is done: the id of the request, in what is logged and asked on its behalf."""

import re
from contextvars import ContextVar

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""None where no request is answered."""

_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def is_sane(request_id: str) -> bool:
    """Whether a caller's own may go into logs and headers."""
    return _SANE.fullmatch(request_id) is not None
