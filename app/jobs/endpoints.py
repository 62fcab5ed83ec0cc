"""Reindex a collection; follow, list and cancel jobs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from itertools import count
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.exc import SQLAlchemyError

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, needs
from app.connections.protocol import STOPPING
from app.jobs import service
from app.jobs.errors import UnknownJob, job_url
from app.jobs.schemas import JobKind, JobState, JobView, QueuedJob, ReindexRequest
from app.problem_codes import ENCODER_CODES
from app.refusals import refuses
from app.state import AppState
from app.text import CollectionInPath, StorableText
from indexer.catalog import repository as catalog

logger = logging.getLogger(__name__)

router = APIRouter(prefix="/v1/admin", tags=["jobs"], route_class=GuardedRoute)

_LOOK_SECONDS = 0.5

JobInPath = Annotated[StorableText, Path(description="Id of the job", examples=["0197c3a2b4d8"])]


@router.post(
    "/collections/{collection}/reindex",
    status_code=HTTPStatus.ACCEPTED,
    summary="Reindex a collection",
)
@needs(Scope.ADMIN)
@refuses("unknown_collection", "job_running", "unknown_model", *ENCODER_CODES)
def reindex(
    state: AppState,
    response: Response,
    collection: CollectionInPath,
    request: ReindexRequest | None = None,
) -> QueuedJob:
    """Queue a job that reads the sources, embeds what is new, builds a version, and lets it serve.

    The header Location names the job.
    """
    request = request or ReindexRequest()
    with state["database"].read() as session:
        owner = catalog.collection(session, collection)
    if request.model is not None and request.model != owner.model:
        state["embedders"].of(request.model)  # it is to serve the new version
    asked = request.model_dump(mode="json", exclude_none=True)
    job_id = service.submit(state["database"], state["queue"], collection, JobKind.REINDEX, asked)
    response.headers["Location"] = job_url(job_id)
    return QueuedJob(job_id=job_id)


@router.get("/jobs", summary="List jobs")
@needs(Scope.ADMIN)
@refuses("unknown_collection")
def list_jobs(
    state: AppState,
    collection: Annotated[
        StorableText | None, Query(description="Of this collection only", examples=["shop"])
    ] = None,
    job_state: Annotated[
        JobState | None, Query(alias="state", description="In this state only")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="So many at most")] = 100,
) -> list[JobView]:
    """Newest first."""
    return service.list_newest(state["database"], collection, job_state, limit)


def _job(state: AppState, job_id: JobInPath) -> JobView:
    return service.show(state["database"], job_id)


@router.get("/jobs/{job_id}", summary="Show a job")
@needs(Scope.ADMIN)
@refuses("unknown_job")
def show(job: Annotated[JobView, Depends(_job)]) -> JobView:
    """What it is at, and what came of it."""
    return job


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse, summary="Follow a job")
@needs(Scope.ADMIN)
@refuses("unknown_job")
async def events(
    state: AppState, request: Request, job: Annotated[JobView, Depends(_job)]
) -> AsyncIterator[ServerSentEvent]:
    """The job as it is and whenever it changes, until it is over or the server stops; a comment
    every 15 seconds.
    """
    for number in count():
        yield ServerSentEvent(event="job", id=str(number), data=job)
        before = job
        while job == before:
            if job.state.is_final or STOPPING in request.scope:
                return
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                job = await run_in_threadpool(service.show, state["database"], job.id)
            except UnknownJob:  # it went with its collection
                return
            except SQLAlchemyError as error:  # it may be back at the next look
                logger.warning("cannot look at job %s: %s", job.id, error)


@router.post("/jobs/{job_id}/cancel", status_code=HTTPStatus.ACCEPTED, summary="Cancel a job")
@needs(Scope.ADMIN)
@refuses("unknown_job", "job_finished")
def cancel(state: AppState, job_id: JobInPath) -> JobView:
    """One that waits is cancelled at once, one that runs at its next step."""
    return service.cancel(state["database"], job_id)
