"""`noongil jobs`: one process, one job at a time.

A run takes all cores, or the device; two at once would take as long and twice the memory.
"""

import logging
import os
import threading
import time
from functools import partial
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from app.catalog import open_catalog
from app.config import Settings
from app.jobs import repository
from app.jobs.metrics import WorkerMetrics
from app.jobs.progress import Heartbeat, JobProgress
from app.jobs.pulse import Pulse
from app.jobs.queue import JobQueue, QueueAway
from app.jobs.schemas import JobState
from app.jobs.status import Status, told
from app.jobs.stop import Stop
from app.jobs.sweep import sweep
from app.jobs.tables import Job
from app.jobs.work import Ended, Outcome, PutOff, Work
from app.logs import marked
from app.observing import tracing
from indexer.catalog.db import Database
from indexer.lease import process_id
from models.tracing import span

logger = logging.getLogger(__name__)

_NICENESS = 10
"""Queries on the same machine go first."""
_SWEEP_SECONDS = 2.0
_IDLE_SECONDS = 0.2


def run(settings: Settings, *, while_stdin: bool = False) -> int:
    """Until a signal says so, or, with `while_stdin`, standard input is closed: the exit code.

    Raises CannotServe, CannotTrace, CatalogError, DeviceLost.
    """
    tracing.configure(settings, "noongil-jobs")
    os.nice(_NICENESS)
    stop = Stop()
    stop.at_signals()
    if while_stdin:
        stop.at_end_of_stdin()
    database, queue = open_catalog(settings), JobQueue(settings)
    try:
        worker = Worker(settings, database, queue, stop)
        status = Status(database, worker.pulse, worker.metrics.registry)
        with told(status, settings.jobs_host, settings.jobs_port):
            worker.run()
    finally:
        queue.close()
        database.close()
        tracing.flush()
    return stop.exit_code


class Worker:
    def __init__(self, settings: Settings, database: Database, queue: JobQueue, stop: Stop) -> None:
        self._settings = settings
        self._database = database
        self._queue = queue
        self._stop = stop
        self._owner = process_id()
        self.pulse = Pulse()
        self.metrics = WorkerMetrics(database)
        self._work = Work(settings, database, self.metrics.encoding)

    def run(self) -> None:
        """Until told to stop. Raises DeviceLost."""
        with _Sweeping(self._database, self._queue, self._settings):
            logger.info("waiting for jobs")
            while not self._stop.is_set:
                if (job_id := self._take()) is not None:
                    self.do(job_id)
                else:
                    time.sleep(_IDLE_SECONDS)

    def do(self, job_id: str) -> None:
        """Nothing, where the job is not to be done any more. Raises DeviceLost."""
        try:
            with self._database.write() as session:
                claimed = repository.claim(session, job_id, self._owner)
        except SQLAlchemyError as error:  # a sweep puts it into the queue again
            logger.warning("cannot begin job %s: %s", job_id, error)
            return
        if claimed is None:
            return
        job, collection = claimed
        with marked(job_id=job.id), span("job", kind=job.kind, collection=collection):
            self._do(job, collection)

    def _do(self, job: Job, collection: str) -> None:
        logger.info("job %s: %s of %s", job.id, job.kind, collection)
        progress = JobProgress(self._stop, self.metrics.rejected)
        lease_seconds = self._settings.lease_seconds
        with self.pulse.at_work(), Heartbeat(self._database, job, progress, lease_seconds):
            try:
                outcome = self._work.outcome(job, collection, progress)
            finally:
                progress.end()
        self._record(job, outcome)

    def _take(self) -> str | None:
        try:
            job_id = self._queue.take()
        except QueueAway as error:
            logger.warning("%s", error)
            self.pulse.looked(trouble="the queue of jobs cannot be used just now")
            time.sleep(_SWEEP_SECONDS)
            return None
        self.pulse.looked()
        return job_id

    def _record(self, job: Job, outcome: Outcome) -> None:
        try:
            with self._database.write() as session:
                match outcome:
                    case Ended(state, result, error):
                        now, why = state, error
                        ours = repository.finish(session, job, state, result=result, error=error)
                    case PutOff(why):
                        now, attempts = JobState.QUEUED, job.attempts - 1
                        ours = repository.put_back(session, job, attempts=attempts, error=why)
                    case None:
                        return
        except SQLAlchemyError:  # it is silent from now on, and begun again for that
            logger.exception("job %s: cannot write how it ended", job.id)
            return
        if ours:
            logger.info("job %s: %s%s", job.id, now, f", {why}" if why else "")
        else:
            logger.warning("job %s was taken over, or deleted: nothing is written of it", job.id)


class _Sweeping:
    """Sweeps at once and then every few seconds, on a thread, while its context is open."""

    def __init__(self, database: Database, queue: JobQueue, settings: Settings) -> None:
        self._sweep = partial(sweep, database, queue, settings)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweep", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._sweep()
            except (SQLAlchemyError, QueueAway) as error:
                logger.warning("cannot look after jobs, trying again: %s", error)
            if self._over.wait(_SWEEP_SECONDS):
                return
