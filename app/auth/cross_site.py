"""What pages of other sites may do where no key is asked for: nothing."""

from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from app.auth.origins import ANY
from app.errors import problem_response

_WITHOUT_EFFECT = frozenset({"GET", "HEAD", "OPTIONS"})


class OriginGuard:
    """Refuses what browsers send for a page of another site without asking: a form, a bare POST.

    CORS hides the answer from such a page; the deed would be done. The page's own requests, and
    those of pages that settings name, carry an origin that is allowed; programs send none.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower().strip("[]") for host in hosts)
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _WITHOUT_EFFECT:
            origin = dict(scope["headers"]).get(b"origin")
            if origin is not None and not self._allows(origin.decode("latin-1")):
                detail = "pages of that origin may not call: see NOONGIL_CORS_ORIGINS"
                response = problem_response(HTTPStatus.FORBIDDEN, "origin_not_allowed", detail)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _allows(self, origin: str) -> bool:
        if ANY in self._origins or origin in self._origins:
            return True
        try:
            return urlsplit(origin).hostname in self._hosts
        except ValueError:
            return False
