"""Every failure as problem+json (RFC 9457) with a stable `code`; one place maps errors to statuses.

Problem                what this package itself raises
├── NotFound           no such image, no such page
├── Unauthorized       no key, or none that is known
├── Forbidden          the key may do less than this
├── RateLimited        the key was used too often
├── InvalidRequest     the request is well-formed, what it asks for makes no sense
├── UnsupportedMedia   the body is of a kind that is not read here
├── AtCapacity         as many pictures are under way as memory is set aside for
├── StorageFailed      the disk takes no file just now
└── NotReady           the collection cannot be searched, or written, just now

BodyRefused stands apart: it is raised while the body is read, where frameworks let only an
HTTPException through.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from app.allowed import allowed
from indexer.errors import (
    CatalogError,
    CollectionBusy,
    CollectionExists,
    IndexAway,
    IndexerError,
    LeaseLost,
    Rejected,
    UnknownCollection,
    UnknownVersion,
    VersionDamaged,
)
from models.errors import (
    DeadlineExceeded,
    EncoderAway,
    EncodingFailed,
    InvalidInput,
    ModelError,
    ModelUnavailable,
    Overloaded,
    UnknownModel,
)
from models.request_id import REQUEST_ID

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1

_NO_CATALOG = "the catalog's database cannot be used just now; the reason was logged"
_NO_INDEX = "Milvus, which holds the index, does not answer just now; the reason was logged"
_UNEXPECTED = "an unexpected error; it was logged"

_MAX_ERRORS = 20
_MAX_FIELD = 200
"""Characters of a field's name: unknown ones are the client's own, of any length."""


class Problem(Exception):
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "internal_error"
    headers: Mapping[str, str] = {}
    members: Mapping[str, Any] = {}
    """What the answer's body says besides."""


class NotFound(Problem):
    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class Unauthorized(Problem):
    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"
    headers = {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    status = HTTPStatus.FORBIDDEN
    code = "forbidden"


class RateLimited(Problem):
    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "rate_limited"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after)}


class InvalidRequest(Problem):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_request"


class UnsupportedMedia(Problem):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"


class AtCapacity(Problem):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "overloaded"


class StorageFailed(Problem):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "storage_failed"


class NotReady(Problem):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "not_ready"


class BodyRefused(HTTPException):
    """The rest of the body is not read: no other request can follow it on the connection."""

    status: HTTPStatus
    code: str

    def __init__(self, detail: str) -> None:
        super().__init__(self.status, detail, {"Connection": "close"})


class BodyTooLarge(BodyRefused):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "body_too_large"


class BodyTooSlow(BodyRefused):
    status = HTTPStatus.REQUEST_TIMEOUT
    code = "request_timeout"


_STATUS_OF: dict[type[Exception], tuple[HTTPStatus, str]] = {
    UnknownCollection: (HTTPStatus.NOT_FOUND, "unknown_collection"),
    UnknownVersion: (HTTPStatus.NOT_FOUND, "unknown_version"),
    CollectionExists: (HTTPStatus.CONFLICT, "collection_exists"),
    CollectionBusy: (HTTPStatus.CONFLICT, "collection_busy"),
    IndexAway: (HTTPStatus.SERVICE_UNAVAILABLE, "index_away"),
    LeaseLost: (HTTPStatus.SERVICE_UNAVAILABLE, "lease_lost"),
    VersionDamaged: (HTTPStatus.SERVICE_UNAVAILABLE, "version_damaged"),
    Rejected: (HTTPStatus.UNPROCESSABLE_ENTITY, "image_rejected"),
    UnknownModel: (HTTPStatus.UNPROCESSABLE_ENTITY, "unknown_model"),
    InvalidInput: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_input"),
    ModelUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "model_unavailable"),
    Overloaded: (HTTPStatus.SERVICE_UNAVAILABLE, "overloaded"),
    DeadlineExceeded: (HTTPStatus.SERVICE_UNAVAILABLE, "deadline_exceeded"),
    EncoderAway: (HTTPStatus.SERVICE_UNAVAILABLE, "encoder_away"),
    EncodingFailed: (HTTPStatus.INTERNAL_SERVER_ERROR, "encoding_failed"),
}


def install(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(IndexerError, _domain_error)
    app.add_exception_handler(ModelError, _domain_error)
    for away in (CatalogError, SQLAlchemyError, IndexAway):
        app.add_exception_handler(away, _store_away)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


def problem_response(status: HTTPStatus, code: str, detail: str, **members: Any) -> JSONResponse:
    headers = {}
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        headers["Retry-After"] = str(RETRY_SECONDS)
    body = {
        "type": f"urn:noongil:problem:{code}",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": _encodable(detail),
    }
    if (request_id := REQUEST_ID.get()) is not None:
        body["request_id"] = request_id
    body |= members
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def reason_of(item: Mapping[str, Any]) -> str:
    """Of one of pydantic's errors, without its word for a validator of ours."""
    return str(item["msg"]).removeprefix("Value error, ")


def described(error: Exception) -> tuple[HTTPStatus, str, str]:
    """Status, code and detail, for who answers with something else than a problem+json."""
    match error:
        case Problem():
            return error.status, error.code, str(error)
        case BodyRefused():
            return error.status, error.code, error.detail
        case HTTPException():
            status = HTTPStatus(error.status_code)
            return status, status.name.lower(), str(error.detail)
        case CatalogError() | SQLAlchemyError():
            return HTTPStatus.SERVICE_UNAVAILABLE, "catalog_unavailable", _NO_CATALOG
    for kind in type(error).__mro__:
        if kind in _STATUS_OF:
            return *_STATUS_OF[kind], _NO_INDEX if kind is IndexAway else str(error)
    return HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", _UNEXPECTED


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - Starlette's signature is wider than its calls
    response = problem_response(*described(error), **error.members)
    response.headers.update(error.headers)
    return response


async def _domain_error(_: Request, error: Exception) -> JSONResponse:
    if not any(kind in _STATUS_OF for kind in type(error).__mro__):
        return await _unexpected(_, error)
    response = problem_response(*described(error))
    if isinstance(error, Overloaded):
        response.headers["Retry-After"] = str(max(1, ceil(error.retry_after)))
    return response


async def _store_away(request: Request, error: Exception) -> JSONResponse:
    """The reason names servers, users and statements: it is for the log."""
    logger.error("%s %r failed: %s", request.method, request.scope["path"], error)
    return problem_response(*described(error))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    response = problem_response(*described(error))
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = allowed(request.app, request.scope["path"])
    return response


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Names the fields, the first few, and never echoes the input: it may not be encodable."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    errors = [
        {
            "field": _encodable(".".join(str(part) for part in item["loc"])[:_MAX_FIELD]),
            "message": _encodable(reason_of(item)),
        }
        for item in error.errors()[:_MAX_ERRORS]
    ]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
    return problem_response(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", detail, errors=errors
    )


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %r failed", request.method, request.scope["path"], exc_info=error)
    return problem_response(*described(error))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
