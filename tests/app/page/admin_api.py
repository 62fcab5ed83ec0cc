"""The REST API of administration as the page is promised it, from memory: a test says what comes
of a job, and when. The pages are the real ones.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.middleware.base import RequestResponseEndpoint

from app import web
from app.errors import problem_response

Record = dict[str, Any]
UNFINISHED = {"queued", "running"}


def ago(**past: float) -> str:
    return (datetime.now(UTC) - timedelta(**past)).isoformat()


def collection(name: str, **members: Any) -> Record:
    return {
        "name": name,
        "model": "starter",
        "dim": 256,
        "regions": "none",
        "recall": 0.95,
        "images": 1_203,
        "change_number": 40,
        "active_version": "20261103-091500-b2c4",
        "indexed": 1_180,
        "created_at": ago(days=40),
    } | members


def version(name: str, **members: Any) -> Record:
    return {
        "name": name,
        "model": "starter",
        "index": "Flat",
        "images": 1_180,
        "size_bytes": 1_310_720,
        "change_number": 38,
        "active": False,
        "created_at": ago(days=2),
    } | members


def job(identity: str, **members: Any) -> Record:
    return {
        "id": identity,
        "collection": "shop",
        "kind": "reindex",
        "state": "queued",
        "stage": None,
        "done": 0,
        "total": None,
        "error": None,
        "created_at": ago(),
        "started_at": None,
        "finished_at": None,
        "attempts": 0,
        "request": {},
        "result": None,
    } | members


@asynccontextmanager
async def _without_guard(_: FastAPI) -> AsyncIterator[dict[str, None]]:
    """What the pages' routes look for; the calls' own guard is below."""
    yield {"guard": None}


@dataclass
class AdminApi:
    collections: list[Record] = field(default_factory=list)
    versions: list[Record] = field(default_factory=list)
    jobs: list[Record] = field(default_factory=list)
    key: str | None = None
    """Asked for where it is not None."""
    scope: str = "admin"
    """Of that key."""
    asked: list[tuple[str, Any]] = field(default_factory=list)
    """What was asked to be done, and with what body."""
    refusal: Record | None = None
    """The problem that a reindex is answered with."""
    streams: int = 0
    """How often a job's events were asked for."""
    breaks_streams: bool = False
    """Each event's connection ends after it."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, identity: str, **members: Any) -> None:
        """As a worker would report it."""
        with self._lock:
            self.find(identity).update(members)

    def find(self, identity: str) -> Record:
        return next(one for one in self.jobs if one["id"] == identity)

    def _has(self, name: str) -> bool:
        return any(one["name"] == name for one in self.collections)

    def app(self) -> FastAPI:
        app = FastAPI(lifespan=_without_guard)
        app.include_router(web.router)
        web.mount_static(app)
        app.include_router(self._reading())
        app.include_router(self._acting())
        app.middleware("http")(self._guard)
        return app

    async def _guard(self, request: Request, answer: RequestResponseEndpoint) -> Response:
        path = request.url.path
        if self.key is None or not path.startswith("/v1/"):
            return await answer(request)
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return problem_response(HTTPStatus.UNAUTHORIZED, "unauthorized", "show a key")
        if path.startswith("/v1/admin/") and self.scope != "admin":
            detail = f"this needs a key of scope admin; this key's is {self.scope}"
            return problem_response(HTTPStatus.FORBIDDEN, "forbidden", detail)
        return await answer(request)

    def _reading(self) -> APIRouter:
        router = APIRouter(prefix="/v1")

        @router.get("/collections")
        def collections() -> list[Record]:
            return self.collections

        @router.get("/admin/collections/{name}/versions")
        def versions(name: str) -> list[Record]:
            return self.versions if self._has(name) else []

        @router.get("/admin/jobs")
        def jobs(limit: int, collection: str | None = None) -> list[Record]:
            with self._lock:
                found = [one for one in self.jobs if collection in {None, one["collection"]}]
                return [dict(one) for one in found[:limit]]

        @router.get("/admin/jobs/{identity}/events")
        def events(identity: str) -> StreamingResponse:
            self.streams += 1
            return StreamingResponse(self._events(identity), media_type="text/event-stream")

        return router

    async def _events(self, identity: str) -> AsyncIterator[str]:
        last = ""
        while True:
            with self._lock:
                now = json.dumps(self.find(identity))
            if now != last:
                yield f": so it goes\r\n\r\nevent: job\r\ndata: {now}\r\n\r\n"
                if self.breaks_streams or json.loads(now)["state"] not in UNFINISHED:
                    return
            last = now
            await asyncio.sleep(0.02)

    def _acting(self) -> APIRouter:
        router = APIRouter(prefix="/v1/admin")

        @router.post("/collections/{name}/reindex")
        async def reindex(name: str, request: Request) -> Response:
            self.asked.append(("reindex", await request.json()))
            if self.refusal:
                status = HTTPStatus(self.refusal["status"])
                members = {key: value for key, value in self.refusal.items() if key == "job_id"}
                return problem_response(
                    status, self.refusal["code"], self.refusal["detail"], **members
                )
            self.jobs.insert(0, job("job-1", collection=name))
            return JSONResponse({"job_id": "job-1"}, HTTPStatus.ACCEPTED)

        @router.post("/collections/{name}/versions/{chosen}/activate")
        def activate(name: str, chosen: str) -> Response:
            assert self._has(name)
            self.asked.append(("activate", chosen))
            for one in self.versions:
                one["active"] = one["name"] == chosen
            return Response(status_code=HTTPStatus.OK)

        @router.post("/jobs/{identity}/cancel")
        def cancel(identity: str) -> Response:
            self.asked.append(("cancel", identity))
            return Response(status_code=HTTPStatus.ACCEPTED)

        return router
