"""Which methods an address has."""

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

_OF_FILES = {"GET"}


def allowed(app: FastAPI, path: str) -> str:
    """For the header Allow, which lists them all; Starlette names those of one route."""
    routes = [route for route in iter_route_contexts(app.routes) if route.path_regex.match(path)]
    methods: set[str] = set()
    for route in routes:
        if route.path_format == routes[0].path_format:
            methods |= route.methods or _OF_FILES
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))
