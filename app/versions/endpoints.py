"""List the versions of a collection, and choose the one that serves."""

from http import HTTPStatus
from typing import Annotated, NoReturn

from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, needs
from app.indexing import open_indexing
from app.jobs import service as jobs
from app.jobs.errors import job_url
from app.jobs.schemas import JobKind, QueuedJob
from app.problem_codes import ENCODER_CODES
from app.refusals import refuses
from app.state import AppState, State
from app.text import CollectionInPath, StorableText
from app.versions import service
from app.versions.schemas import VersionView
from indexer.progress import Silent

router = APIRouter(
    prefix="/v1/admin/collections/{collection}/versions",
    tags=["versions"],
    route_class=GuardedRoute,
)


VersionInPath = Annotated[
    StorableText, Path(description="Name of the version", examples=["20261121T095254-8cc90b"])
]


class _MustEmbed(Exception):
    """Images that were written since have no embedding of the version's encoder."""


@router.get("", summary="List versions")
@needs(Scope.ADMIN)
@refuses("unknown_collection")
def list_all(state: AppState, collection: CollectionInPath) -> list[VersionView]:
    """Those that are kept, newest first."""
    return service.list_all(state["database"], collection)


@router.post(
    "/{version}/activate",
    summary="Let a version serve",
    response_model=VersionView,
    responses={
        HTTPStatus.ACCEPTED: {"model": QueuedJob, "description": "A job embeds what it lacks"}
    },
)
@needs(Scope.ADMIN)
@refuses(
    "unknown_collection",
    "unknown_version",
    "collection_busy",
    "job_running",
    "version_damaged",
    "lease_lost",
    "index_away",
    *ENCODER_CODES,
)
def activate(
    state: AppState, collection: CollectionInPath, version: VersionInPath
) -> VersionView | Response:
    """200 where nothing has to be embedded for it; otherwise 202 and a job."""
    try:
        _activate_at_once(state, collection, version)
    except _MustEmbed:
        job_id = jobs.submit(
            state["database"], state["queue"], collection, JobKind.ACTIVATE, {"version": version}
        )
        return JSONResponse(
            QueuedJob(job_id=job_id).model_dump(),
            HTTPStatus.ACCEPTED,
            {"Location": job_url(job_id)},
        )
    state["serving"].refresh()
    return service.show(state["database"], collection, version)


def _activate_at_once(state: State, collection: str, version: str) -> None:
    """Raises UnknownCollection, UnknownVersion, CollectionBusy, VersionDamaged, IndexAway,
    _MustEmbed.
    """
    indexing = open_indexing(state["settings"], state["database"])
    if not indexing.can_activate_at_once(collection, version):
        raise _MustEmbed
    indexing.activate(collection, version, _must_embed, Silent())


def _must_embed(_: str) -> NoReturn:
    """Asked for an encoder where an image was written just now. Raises _MustEmbed."""
    raise _MustEmbed
