"""What has gone wrong with jobs is mended, and what is due by itself is asked for.

Every worker sweeps, again and again; two that do at once do no harm.
"""

import logging
from datetime import timedelta

from sqlalchemy.orm import Session

from app.config import Settings
from app.jobs import folds, repository
from app.jobs.queue import JobQueue
from app.jobs.schemas import JobState
from app.jobs.tables import Job
from indexer.catalog.db import Database, database_now
from indexer.lease import is_dead

logger = logging.getLogger(__name__)


def sweep(database: Database, queue: JobQueue, settings: Settings) -> None:
    """Raises SQLAlchemyError, QueueAway: the next one may succeed."""
    with database.read() as session:
        running = repository.in_state(session, JobState.RUNNING)
        orphans = [job for job in running if _is_orphan(session, job, settings.lease_seconds)]
    for orphan in orphans:
        with database.write() as session:
            _begin_again(session, orphan, settings.job_attempts)
    folds.submit_due(database, queue, settings.reindex_after_changes)
    with database.read() as session:
        waiting = [job.id for job in repository.in_state(session, JobState.QUEUED)]
    queue.put_missing(waiting)


def _is_orphan(session: Session, job: Job, lease_seconds: float) -> bool:
    if job.owner is None or job.seen_at is None:
        return False
    silent = database_now(session) - job.seen_at
    return is_dead(job.owner) or silent > timedelta(seconds=lease_seconds)


def _begin_again(session: Session, job: Job, attempts: int) -> None:
    if job.attempts < attempts:
        logger.warning("job %s: its worker is gone, it is queued again", job.id)
        repository.put_back(session, job, attempts=job.attempts)
    else:
        error = f"its worker died {job.attempts} times"
        repository.finish(session, job, JobState.FAILED, error=error)
