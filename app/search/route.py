"""The short way of a search that is as it should be."""

from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from app.auth.route import GuardedRoute
from app.images.uploads import media_type
from app.search.forms import MEDIA_TYPE as FORM
from app.search.forms import as_json
from app.search.schemas import SearchRequest
from app.state import State

_JSON = (b"content-type", b"application/json")
_SHORT_DIGITS = 5
"""Of a body's length: below 100,000 bytes."""


class SearchRoute(GuardedRoute):
    """A route to an endpoint of (state, collection, request, client) that mostly spares
    FastAPI's way.

    FastAPI reads headers, body and parameters by rules for every endpoint that there can be:
    30 µs and more of an answer that takes 170. A JSON body that is a SearchRequest, for a
    collection that is known, needs none of them. Whatever is not as simple goes FastAPI's way
    from its beginning: there is one judge of what is wrong with a request, and one text to say so.
    A form goes either way as the JSON that it stands for.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        through_fastapi = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if not _may_be_large(request):
                return await answer(request)
            async with _state(request)["pictures"].reader.room_for(request):
                return await answer(request)

        async def answer(request: Request) -> Response:
            if _JSON not in request.scope["headers"] and media_type(request) == FORM:
                request = await as_json(request)
            state, collection = _state(request), _collection(request)
            asked = await _asked(request) if state["serving"].get(collection) else None
            if asked is None:
                return await through_fastapi(request)
            client = client_of(request)
            return cast("Response", await self.endpoint(state, collection, asked, client))

        return handle


def client_of(request: Request) -> str:
    """Who asks, as the log of queries tells clients apart."""
    return request.client.host if request.client else ""


def _state(request: Request) -> State:
    return cast("State", request.scope["state"])


def _may_be_large(request: Request) -> bool:
    """Whether there may be pictures in it: they are read when there is room for them."""
    for name, value in request.scope["headers"]:
        if name == b"content-length":
            return len(value) > _SHORT_DIGITS
    return True


def _collection(request: Request) -> str:
    return cast("str", request.path_params["collection"])


async def _asked(request: Request) -> SearchRequest | None:
    """None for a body that is not a SearchRequest, or does not say that it is JSON."""
    if _JSON not in request.scope["headers"]:
        return None
    try:
        return SearchRequest.model_validate_json(await request.body())
    except (ValidationError, ClientDisconnect):
        return None
