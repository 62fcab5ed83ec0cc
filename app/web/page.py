"""The two pages in the reader's language and theme, so that neither flickers in."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Header
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, needs
from app.web.assets import ASSETS
from app.web.language import STRINGS, choose
from indexer.building.index_spec import IndexFamily

router = APIRouter(include_in_schema=False, route_class=GuardedRoute)

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_CONTENT_SECURITY_POLICY = (
    "default-src 'self'; "
    "img-src 'self' data: blob:; "
    "object-src 'none'; "
    "base-uri 'none'; "
    "form-action 'self'; "
    "frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)

_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Language, Cookie",
}


class _Reader:
    def __init__(
        self,
        lang: str | None = None,
        noongil_language: Annotated[str | None, Cookie()] = None,
        noongil_theme: Annotated[str | None, Cookie()] = None,
        accept_language: Annotated[str, Header()] = "",
    ) -> None:
        self.language = choose(lang, noongil_language, accept_language)
        self.theme = noongil_theme if noongil_theme in {"light", "dark"} else None


Reader = Annotated[_Reader, Depends()]


@router.get("/", response_class=HTMLResponse)
@needs(Scope.OPEN)
def search(reader: Reader) -> HTMLResponse:
    return _page("search", reader)


@router.get("/admin", response_class=HTMLResponse)
@needs(Scope.OPEN)
def admin(reader: Reader) -> HTMLResponse:
    """The page holds nothing to hide: what it shows it asks the API for, with the reader's key."""
    return _page("admin", reader)


def _page(name: str, reader: _Reader) -> HTMLResponse:
    html = _TEMPLATES.get_template(f"{name}.html").render(
        language=reader.language,
        theme=reader.theme,
        t=STRINGS[name][reader.language],
        strings=STRINGS[name],
        assets=ASSETS,
        families=list(IndexFamily),
    )
    return HTMLResponse(html, headers={**_HEADERS, "Content-Language": reader.language})
