"""Style sheets and modules, under an address that changes when they do.

`/static/<digest>/search/main.js` may be kept for ever, and the modules that it imports by relative
path carry the same digest. Any other digest (a page from before an upgrade) gets the file
that there is now, to be asked for again.
"""

from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_FOLDER = Path(__file__).parent / "static"


def _digest(folder: Path) -> str:
    digest = sha256()
    for path in sorted(folder.rglob("*.*")):
        name = path.relative_to(folder).as_posix()
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


ASSETS = f"/static/{_digest(_FOLDER)}"


def mount_static(app: FastAPI) -> None:
    app.mount("/static", _Versioned(directory=_FOLDER), name="static")


class _Versioned(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        version, _, name = path.partition("/")
        response = await super().get_response(name, scope)
        current = ASSETS.endswith(f"/{version}")
        if response.status_code in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED}:
            response.headers["Cache-Control"] = (
                "public, max-age=31536000, immutable" if current else "no-cache"
            )
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
