"""Queries on the table of jobs. Nothing here commits: the caller's unit of work does.

What a worker writes it writes as the owner: of one that was taken for dead, nothing is heard.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, exists, select, update
from sqlalchemy.orm import Session, aliased

from app.jobs.errors import JobFinished, UnknownJob
from app.jobs.schemas import UNFINISHED, JobKind, JobState
from app.jobs.tables import Job
from indexer.catalog.db import database_now
from indexer.catalog.tables import Collection

_KEPT = 1000
"""Finished jobs of a collection."""

NamedJob = Row[Job, str]
"""With its collection's name."""


def add(session: Session, collection_id: int, kind: JobKind, request: dict[str, Any]) -> Job:
    job = Job(
        id=secrets.token_hex(8),
        collection_id=collection_id,
        kind=kind,
        state=JobState.QUEUED,
        request=request,
        created_at=database_now(session),
    )
    session.add(job)
    session.flush()
    return job


def job(session: Session, job_id: str) -> NamedJob:
    """Raises UnknownJob."""
    found = session.execute(_named().where(Job.id == job_id)).one_or_none()
    if found is None:
        raise UnknownJob(job_id)
    return found


def newest(
    session: Session, collection_id: int | None, state: JobState | None, limit: int
) -> Sequence[NamedJob]:
    found = _named().order_by(Job.created_at.desc(), Job.id).limit(limit)
    if collection_id is not None:
        found = found.where(Job.collection_id == collection_id)
    if state is not None:
        found = found.where(Job.state == state)
    return session.execute(found).all()


def in_state(session: Session, state: JobState) -> Sequence[Job]:
    """Oldest first."""
    return session.scalars(
        select(Job).where(Job.state == state).order_by(Job.created_at, Job.id)
    ).all()


def unfinished(session: Session) -> Sequence[NamedJob]:
    return session.execute(_named().where(Job.state.in_(UNFINISHED))).all()


def failed_last(session: Session, since: datetime) -> Sequence[NamedJob]:
    """That failed and were asked for after `since`, and nothing of their collection after them."""
    later = aliased(Job)
    is_newest = ~exists().where(
        later.collection_id == Job.collection_id, later.created_at > Job.created_at
    )
    failed = _named().where(Job.created_at > since, Job.state == JobState.FAILED, is_newest)
    return session.execute(failed).all()


def unfinished_of(session: Session, collection_id: int) -> Job | None:
    return session.scalar(
        select(Job).where(Job.collection_id == collection_id, Job.state.in_(UNFINISHED))
    )


def last_of(session: Session, collection_id: int, kind: JobKind) -> Job | None:
    """The one that was asked for last."""
    return session.scalar(
        select(Job)
        .where(Job.collection_id == collection_id, Job.kind == kind)
        .order_by(Job.created_at.desc(), Job.id)
        .limit(1)
    )


def claim(session: Session, job_id: str, owner: str) -> NamedJob | None:
    """The job, which is the owner's from now on; None where it is not to be done any more, or
    another worker was first.
    """
    moment = database_now(session)
    claimed = session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.state == JobState.QUEUED)
        .values(
            state=JobState.RUNNING,
            owner=owner,
            attempts=Job.attempts + 1,
            seen_at=moment,
            started_at=moment,
            stage=None,
            done=0,
            total=None,
            error=None,
        )
        .returning(Job.id)
    )
    return None if claimed is None else job(session, job_id)


def say_at_work(
    session: Session, job_id: str, owner: str, stage: str | None, done: int, total: int | None
) -> bool | None:
    """Whether it is to be cancelled; None where the job is not the owner's any more."""
    return session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.owner == owner, Job.state == JobState.RUNNING)
        .values(seen_at=database_now(session), stage=stage, done=done, total=total)
        .returning(Job.cancel_requested)
    )


def finish(
    session: Session,
    owned: Job,
    state: JobState,
    *,
    result: dict[str, Any] | None = None,
    error: str | None = None,
) -> bool:
    """False where the job is not its owner's any more."""
    finished = session.scalar(
        _owned(owned)
        .values(state=state, result=result, error=error, finished_at=database_now(session))
        .returning(Job.id)
    )
    if finished is not None:
        _forget_old(session, owned.collection_id)
    return finished is not None


def put_back(session: Session, owned: Job, *, attempts: int, error: str | None = None) -> bool:
    """To be done later, by whichever worker; cancelled where that was asked for meanwhile. False
    where the job is not its owner's any more.
    """
    wanted = session.scalar(_owned(owned).values(attempts=attempts).returning(Job.cancel_requested))
    if wanted is None:
        return False
    if wanted:
        return finish(session, owned, JobState.CANCELLED)
    back = {"state": JobState.QUEUED, "owner": None, "started_at": None, "error": error}
    return session.scalar(_owned(owned).values(back).returning(Job.id)) is not None


def cancel(session: Session, job_id: str) -> None:
    """At once, or at its next step. Raises UnknownJob, JobFinished."""
    found = session.get(Job, job_id, with_for_update=True)
    if found is None:
        raise UnknownJob(job_id)
    match found.state:
        case JobState.QUEUED:
            found.state, found.finished_at = JobState.CANCELLED, database_now(session)
        case JobState.RUNNING:
            found.cancel_requested = True
        case state:
            raise JobFinished(job_id, state)


def _named() -> Select[Job, str]:
    return select(Job, Collection.name).join(Collection, Job.collection_id == Collection.id)


def _owned(job: Job) -> Any:
    """An update of the job as long as it runs, and is whose it was."""
    return update(Job).where(
        Job.id == job.id, Job.owner == job.owner, Job.state == JobState.RUNNING
    )


def _forget_old(session: Session, collection_id: int) -> None:
    finished = (Job.collection_id == collection_id, Job.state.not_in(UNFINISHED))
    newest = select(Job.id).where(*finished).order_by(Job.finished_at.desc(), Job.id).limit(_KEPT)
    session.execute(
        delete(Job)
        .where(*finished, Job.id.not_in(newest.scalar_subquery()))
        .execution_options(synchronize_session=False)
    )
