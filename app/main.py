"""The application: its routes, its guards, its life."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp

from app import errors, health, web
from app.auth import cors, openapi
from app.auth import endpoints as keys
from app.auth.cross_site import OriginGuard
from app.auth.route import require_guarded
from app.build import VERSION
from app.collections import endpoints as collections
from app.config import Settings
from app.embed import endpoints as embed
from app.guards import BodyLimit, HeadAsGet, HostGuard, PathGuard
from app.images import endpoints as images
from app.jobs import endpoints as jobs
from app.observing import tracing
from app.observing.middleware import Observed
from app.refusals import describe_refusals
from app.search import endpoints as search
from app.state import State, open_state
from app.suggest import endpoints as suggest
from app.versions import endpoints as versions

_ABOUT = """Collections of pictures, searched by text and by picture. Every refusal is a
problem+json (RFC 9457) whose `code` never changes its meaning. Every answer carries
`X-Request-Id`: the caller's own, or a new one, by which the server's log names the request. Where
the server asks for keys, send `Authorization: Bearer ng_…`; each operation names the scope that it
needs: read, write or admin, each of which may do what those before it may.
"""

_NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)
"""FastAPI's own writes queries into spans."""


def create_app(settings: Settings | None = None) -> FastAPI:
    settings = settings or Settings()

    app = _Application(
        title="Noongil",
        summary="Semantic image search in Korean and English",
        description=_ABOUT,
        version=VERSION,
        generate_unique_id_function=_operation_id,
        lifespan=lambda _: _life(settings),
        telemetry=_NO_TELEMETRY,
    )
    app.access_log = settings.access_log or settings.log_level == "debug"
    app.traces = bool(settings.otlp_endpoint)
    app.add_middleware(BodyLimit, settings.max_body_bytes, settings.max_batch_bytes)
    app.add_middleware(HeadAsGet)
    app.add_middleware(PathGuard)
    if settings.auth == "off" and not settings.allow_open:
        hosts = settings.allowed_hosts
        app.add_middleware(OriginGuard, hosts=hosts, origins=settings.cors_origins)
        app.add_middleware(HostGuard, allowed=hosts)
    errors.install(app)
    search.mount_search(app)
    # Search before images: `…/similar` and `…/thumbnail` are tried before `…/{id}`.
    for router in (health, collections, search, suggest, images, embed, jobs, versions, keys, web):
        app.include_router(router.router)
    web.mount_static(app)
    require_guarded(app)
    openapi.describe_keys(app)
    describe_refusals(app)
    cors.allow_origins(app, settings.cors_origins)
    return app


class _Application(FastAPI):
    """Starlette answers what nobody expected outside of every middleware that it is told of; that
    answer is observed as well.
    """

    access_log = traces = False

    def build_middleware_stack(self) -> ASGIApp:
        observed = Observed(super().build_middleware_stack(), access_log=self.access_log)
        return tracing.traced(observed) if self.traces else observed


@asynccontextmanager
async def _life(settings: Settings) -> AsyncIterator[State]:
    async with open_state(settings, follow=True) as state:
        with state["drain"].at_sigterm():
            yield state
    tracing.flush()


def _operation_id(route: APIRoute) -> str:
    """What generated clients call their functions."""
    return "_".join([*map(str, route.tags), route.name])
