"""Every failure as problem+json (RFC 9457) with a stable `code`; one place maps errors to statuses.

Problem                what this package itself raises
├── NotFound           no such image, no such page
├── InvalidRequest     the request is well-formed, what it asks for makes no sense
└── NotReady           the collection cannot be searched just now

BodyTooLarge stands apart: it is raised while the body is read, where frameworks let only an
HTTPException through.
"""

import logging
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from indexer.errors import (
    CatalogError,
    CollectionBusy,
    CollectionExists,
    IndexerError,
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

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1

_MAX_ERRORS = 20
_MAX_FIELD = 200
"""Characters of a field's name: unknown ones are the client's own, of any length."""


class Problem(Exception):
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "internal_error"


class NotFound(Problem):
    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class InvalidRequest(Problem):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid_request"


class NotReady(Problem):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "not_ready"


class BodyTooLarge(HTTPException):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "body_too_large"

    def __init__(self, max_bytes: int) -> None:
        super().__init__(self.status, f"a request body is at most {max_bytes} bytes")


_STATUS_OF: dict[type[Exception], tuple[HTTPStatus, str]] = {
    UnknownCollection: (HTTPStatus.NOT_FOUND, "unknown_collection"),
    UnknownVersion: (HTTPStatus.NOT_FOUND, "unknown_version"),
    CollectionExists: (HTTPStatus.CONFLICT, "collection_exists"),
    CollectionBusy: (HTTPStatus.CONFLICT, "collection_busy"),
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
    app.add_exception_handler(CatalogError, _catalog_error)
    app.add_exception_handler(SQLAlchemyError, _catalog_error)
    app.add_exception_handler(BodyTooLarge, _body_too_large)
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
        **members,
    }
    return JSONResponse(body, status, headers, media_type="application/problem+json")


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - Starlette's signature is wider than its calls
    return problem_response(error.status, error.code, str(error))


async def _domain_error(_: Request, error: Exception) -> JSONResponse:
    for kind in type(error).__mro__:
        if kind in _STATUS_OF:
            status, code = _STATUS_OF[kind]
            response = problem_response(status, code, str(error))
            if isinstance(error, Overloaded):
                response.headers["Retry-After"] = str(max(1, ceil(error.retry_after)))
            return response
    return await _unexpected(_, error)


async def _catalog_error(request: Request, error: Exception) -> JSONResponse:
    """The reason names servers, users and statements: it is for the log."""
    logger.error("%s %s failed: %s", request.method, request.url.path, error)
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "catalog_unavailable",
        "the catalog's database cannot be used just now; the reason was logged",
    )


async def _body_too_large(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BodyTooLarge)  # noqa: S101 - as above
    return problem_response(error.status, error.code, error.detail)


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    status = HTTPStatus(error.status_code)
    response = problem_response(status, status.name.lower(), str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Names the fields, the first few, and never echoes the input: it may not be encodable."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    errors = [
        {
            "field": _encodable(".".join(str(part) for part in item["loc"])[:_MAX_FIELD]),
            "message": _encodable(item["msg"]),
        }
        for item in error.errors()[:_MAX_ERRORS]
    ]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
    return problem_response(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", detail, errors=errors
    )


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "an unexpected error; it was logged"
    )


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
