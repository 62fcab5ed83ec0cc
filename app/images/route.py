"""Requests with pictures in them."""

from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import Request, Response

from app.auth.route import GuardedRoute
from app.images.reader import PictureReader


class PictureRoute(GuardedRoute):
    """A route whose requests are read when there is room for what is in them, after keys were
    asked for.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_with_room(request: Request) -> Response:
            reader = cast("PictureReader", request.scope["state"]["pictures"].reader)
            async with reader.room_for(request):
                return await handle(request)

        return handle_with_room
