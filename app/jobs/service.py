"""What can be done with jobs, for the API, the command line and the worker alike."""

import logging
from typing import Any

from sqlalchemy.exc import IntegrityError

from app.jobs import repository
from app.jobs.errors import JobRunning
from app.jobs.queue import JobQueue, QueueAway
from app.jobs.schemas import JobKind, JobState, JobView
from indexer.catalog import repository as catalog
from indexer.catalog.db import Database

logger = logging.getLogger(__name__)


def submit(
    database: Database, queue: JobQueue, collection: str, kind: JobKind, request: dict[str, Any]
) -> str:
    """The id of the new job, which is durable when this returns.

    Raises UnknownCollection; JobRunning where the collection has an unfinished one.
    """
    while True:
        try:
            with database.write() as session:
                owner = catalog.collection(session, collection)
                job = repository.add(session, owner.id, kind, request)
            break
        except IntegrityError:  # one that was unfinished may be over by the time it is looked for
            _require_none_unfinished(database, collection)
    try:
        queue.put(job.id)
    except QueueAway as error:
        logger.warning("job %s waits for a worker's sweep: %s", job.id, error)
    return job.id


def show(database: Database, job_id: str) -> JobView:
    """Raises UnknownJob."""
    with database.read() as session:
        return JobView.of(*repository.job(session, job_id))


def list_newest(
    database: Database, collection: str | None, state: JobState | None, limit: int
) -> list[JobView]:
    """Raises UnknownCollection."""
    with database.read() as session:
        owner_id = None if collection is None else catalog.collection(session, collection).id
        found = repository.newest(session, owner_id, state, limit)
        return [JobView.of(*named) for named in found]


def cancel(database: Database, job_id: str) -> JobView:
    """One that is queued is cancelled at once, one that runs at its next step.

    Raises UnknownJob, JobFinished.
    """
    with database.write() as session:
        repository.cancel(session, job_id)
    return show(database, job_id)


def _require_none_unfinished(database: Database, collection: str) -> None:
    """Raises JobRunning."""
    with database.read() as session:
        owner = catalog.collection(session, collection)
        unfinished = repository.unfinished_of(session, owner.id)
    if unfinished is not None:
        raise JobRunning(collection, unfinished.id)
