"""A name for each request: the caller's own, where it is sane, or a new one."""

import secrets

from starlette.types import Scope

from models.request_id import is_sane

HEADER = "X-Request-Id"
_NAME = HEADER.lower().encode()


def request_id_of(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == _NAME:
            own: str = value.decode("latin-1")
            return own if is_sane(own) else new_request_id()
    return new_request_id()


def new_request_id() -> str:
    return secrets.token_hex(8)


def as_header(request_id: str) -> tuple[bytes, bytes]:
    return _NAME, request_id.encode()
