"""What the API's description says of refusals: which of them each operation may answer.

An endpoint declares its own codes by `refuses`; what any may answer is added here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, scope_of
from app.problem_codes import CODES

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_CODES = "__noongil_codes__"
_REF = "#/components/schemas/{model}"
_OF_ALL = (
    "bad_request",
    "host_not_allowed",
    "request_timeout",
    "head_too_large",
    "catalog_unavailable",
)
_WITH_KEY = ("unauthorized", "forbidden", "rate_limited")
_WITH_BODY = ("body_too_large",)
_WITH_EFFECT = ("origin_not_allowed",)

_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before asking again",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 1,
    }
}
_HEADERS: dict[HTTPStatus, dict[str, Any]] = {
    HTTPStatus.UNAUTHORIZED: {
        "WWW-Authenticate": {
            "description": "How to show a key",
            "required": True,
            "schema": {"type": "string"},
            "example": "Bearer",
        }
    },
    HTTPStatus.TOO_MANY_REQUESTS: _RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: _RETRY_AFTER,
}


class FieldProblem(BaseModel):
    """One field of a request that is wrong."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"field": "filter.price.gte", "message": "needs a number"}]
        },
    )

    field: str
    """Its place, from the body, the query or the path on."""
    message: str
    """What is wrong with it, for people."""


class ProblemDetails(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:noongil:problem:unknown_collection",
                    "title": "Not Found",
                    "status": 404,
                    "code": "unknown_collection",
                    "detail": "there is no collection '신발'",
                    "request_id": "5f2b1c0d9a8e7f64",
                }
            ]
        },
    )

    type: str
    """`urn:noongil:problem:` and the code."""
    title: str
    """The status in words."""
    status: int
    """The HTTP status."""
    code: str
    """What went wrong, for programs: a code never changes its meaning."""
    detail: str
    """What went wrong, for people."""
    request_id: str
    """What the server's log calls the request; the header X-Request-Id says the same."""
    errors: list[FieldProblem] = []
    """The fields that are wrong, at most 20."""
    job_id: str | None = None
    """With `job_running`: the job that is in the way."""


def refuses(*codes: str) -> Callable[[Endpoint], Endpoint]:
    """Declare with which codes, beyond those that any may have, an endpoint answers."""
    if unknown := set(codes) - CODES.keys():
        raise ValueError(f"no such codes: {unknown}")

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _CODES, codes)
        return endpoint

    return declare


def describe_refusals(app: FastAPI) -> None:
    """Each operation names the problems that it answers, instead of FastAPI's own 422."""
    without_refusals = app.openapi

    def openapi() -> dict[str, Any]:
        schema = without_refusals()
        schemas = schema["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas |= _component(FieldProblem) | _component(ProblemDetails)
        for context in iter_route_contexts(app.routes):
            route = context.original_route
            if isinstance(route, GuardedRoute) and route.include_in_schema:
                for method in route.methods or ():
                    operation = schema["paths"][context.path_format][method.lower()]
                    operation["responses"].pop("422", None)
                    operation["responses"] |= _responses(_codes(operation, method, route))
        return schema

    # FastAPI's own way to extend it.
    app.openapi = openapi  # type: ignore[method-assign]


def _component(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=_REF)
    schema.pop("$defs", None)
    return {model.__name__: schema}


def _codes(operation: dict[str, Any], method: str, route: GuardedRoute) -> Iterator[str]:
    yield from _OF_ALL
    if scope_of(route.endpoint) is not Scope.OPEN:
        yield from _WITH_KEY
    if "requestBody" in operation:
        yield from _WITH_BODY
    if method != "GET":
        yield from _WITH_EFFECT
    if "requestBody" in operation or operation.get("parameters"):
        yield "invalid_request"
    yield from getattr(route.endpoint, _CODES, ())


def _responses(codes: Iterable[str]) -> dict[str, Any]:
    by_status: dict[HTTPStatus, list[str]] = defaultdict(list)
    for code in dict.fromkeys(codes):
        by_status[CODES[code].status].append(code)
    return {str(status.value): _response(status, by_status[status]) for status in sorted(by_status)}


def _response(status: HTTPStatus, codes: Iterable[str]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": "\n".join(f"- `{code}`: {CODES[code].meaning}" for code in codes),
        "content": {
            "application/problem+json": {
                "schema": {"$ref": _REF.format(model=ProblemDetails.__name__)},
            }
        },
    }
    if headers := _HEADERS.get(status):
        response["headers"] = headers
    return response
