"""`GET /`: the page in the reader's language and theme, so that neither flickers in."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Cookie, Header
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.web.assets import ASSETS
from app.web.language import STRINGS, choose

router = APIRouter(include_in_schema=False)

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_CONTENT_SECURITY_POLICY = (
    "default-src 'self'; "
    "img-src 'self' data:; "
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


@router.get("/", response_class=HTMLResponse)
def page(
    lang: str | None = None,
    noongil_language: Annotated[str | None, Cookie()] = None,
    noongil_theme: Annotated[str | None, Cookie()] = None,
    accept_language: Annotated[str, Header()] = "",
) -> HTMLResponse:
    language = choose(lang, noongil_language, accept_language)
    html = _TEMPLATES.get_template("page.html").render(
        language=language,
        theme=noongil_theme if noongil_theme in {"light", "dark"} else None,
        t=STRINGS[language],
        strings=STRINGS,
        assets=ASSETS,
    )
    return HTMLResponse(html, headers={**_HEADERS, "Content-Language": language})
