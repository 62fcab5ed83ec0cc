"""The application: its routes, its guards, its life."""

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app import errors, health, web
from app.auth import cors, openapi
from app.auth import endpoints as keys
from app.auth.cross_site import OriginGuard
from app.auth.route import require_guarded
from app.collections import endpoints as collections
from app.config import Settings
from app.embed import endpoints as embed
from app.guards import BodyLimit, HeadAsGet, HostGuard, PathGuard
from app.images import endpoints as images
from app.jobs import endpoints as jobs
from app.refusals import describe_refusals
from app.search import endpoints as search
from app.state import open_state
from app.suggest import endpoints as suggest
from app.versions import endpoints as versions

_ABOUT = """Collections of pictures, searched by text and by picture. Every refusal is a
problem+json (RFC 9457) whose `code` never changes its meaning. Where the server asks for keys, send
`Authorization: Bearer ng_…`; each operation names the scope that it needs: read, write or admin,
each of which may do what those before it may.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    settings = settings or Settings()

    app = FastAPI(
        title="Noongil",
        summary="Semantic image search in Korean and English",
        description=_ABOUT,
        version="0.1.0",
        generate_unique_id_function=_operation_id,
        lifespan=lambda _: open_state(settings, follow=True),
    )
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


def _operation_id(route: APIRoute) -> str:
    """What generated clients call their functions."""
    return "_".join([*map(str, route.tags), route.name])
