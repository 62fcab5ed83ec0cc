"""Where the application asks for keys: between finding the endpoint and reading the request."""

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from app.auth.guard import Guard
from app.auth.scopes import scope_of
from app.observing.exchange import exchange_of


class GuardedRoute(APIRoute):
    """A route whose endpoint is for keys of the scope that it declares, see `needs`.

    Not a dependency: FastAPI reads and parses a whole body before the first of those.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        if exchange is not None:
            exchange.route = self.path_format
            exchange.collection = scope["path_params"].get("collection")
        guard: Guard | None = scope["state"]["guard"]
        if guard is not None:
            key = await guard.admit(scope["headers"], scope_of(self.endpoint))
            if exchange is not None and key is not None:
                exchange.key_id = key.id
        await super().handle(scope, receive, send)


class Unguarded(RuntimeError):
    """A route that would answer without asking for a key: an error of the program."""


def require_guarded(app: FastAPI) -> None:
    """Raise Unguarded unless every route asks for a key, but for static files and what FastAPI
    shows of the API.
    """
    about = {
        app.openapi_url,
        app.docs_url,
        app.swagger_ui_oauth2_redirect_url,
        app.redoc_url,
    }
    for route in iter_route_contexts(app.routes):
        original = route.original_route
        if not (isinstance(original, GuardedRoute) or _is_static(original) or route.path in about):
            raise Unguarded(
                f"{route.path} asks for no key: make its router by "
                "APIRouter(route_class=GuardedRoute), and declare its scope by @needs"
            )


def _is_static(route: BaseRoute) -> bool:
    return isinstance(route, Mount) and isinstance(route.app, StaticFiles)
