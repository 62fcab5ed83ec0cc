"""What the API's description says of keys."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, scope_of

_SCHEME = "key"


def describe_keys(app: FastAPI) -> None:
    """Each operation names the scope that it asks for."""
    without_keys = app.openapi

    def openapi() -> dict[str, Any]:
        schema = without_keys()
        schema.setdefault("components", {})["securitySchemes"] = {
            _SCHEME: {
                "type": "http",
                "scheme": "bearer",
                "description": "Asked for where the server runs with NOONGIL_AUTH=on",
            }
        }
        for context in iter_route_contexts(app.routes):
            route = context.original_route
            if isinstance(route, GuardedRoute) and route.include_in_schema:
                _secure(schema["paths"][context.path_format], route)
        return schema

    # FastAPI's own way to extend it.
    app.openapi = openapi  # type: ignore[method-assign]


def _secure(operations: dict[str, Any], route: GuardedRoute) -> None:
    needed = scope_of(route.endpoint)
    if needed is not Scope.OPEN:
        for method in route.methods or ():
            operations[method.lower()]["security"] = [{_SCHEME: [needed.label]}]
