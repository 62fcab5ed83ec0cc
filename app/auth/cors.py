"""Which pages of other origins may call the API from a browser: none, unless settings name them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from starlette.middleware.cors import CORSMiddleware

from app.observing import request_ids


def allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """To be called last: whatever the rest of the application answers has to carry the headers.

    No cookies are used, so none are allowed: a page shows a key, or may do what everybody may.
    """
    if not origins:
        return
    options: dict[str, Any] = {
        "allow_origins": origins,
        "allow_methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        "allow_headers": ["Authorization", "Content-Type", request_ids.HEADER],
        "expose_headers": ["Location", "Retry-After", request_ids.HEADER],
    }
    app.add_middleware(CORSMiddleware, **options)
    answer = cast(
        "Callable[[Request, Exception], Awaitable[Response]]", app.exception_handlers[Exception]
    )

    async def answer_across(request: Request, error: Exception) -> Response:
        # Starlette answers what nobody expected outside of every middleware.
        return cast("Response", CORSMiddleware(await answer(request, error), **options))

    app.add_exception_handler(Exception, answer_across)
