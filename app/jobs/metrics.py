"""Metrics of jobs, read from their table whenever Prometheus asks; and of a worker."""

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app.jobs import repository
from app.jobs.schemas import UNFINISHED, JobState
from app.jobs.tables import Job
from app.metrics import process_registry, rejected_pictures
from indexer.catalog.db import Database, database_now
from models.batching.metrics import EncodeMetrics

logger = logging.getLogger(__name__)

_FAILED_FOR = timedelta(days=1)
"""So long a failed job is told of, unless another is asked for."""


class JobMetrics(Collector):
    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[GaugeMetricFamily]:
        """Registering asks for the names alone: not the database."""
        return [_progress(), _states(), _failures()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Nothing where the database is away: other metrics say how that is going."""
        try:
            with self._database.read() as session:
                unfinished = repository.unfinished(session)
                failed = repository.failed_last(session, database_now(session) - _FAILED_FOR)
        except SQLAlchemyError as error:
            logger.warning("cannot measure jobs: %s", error)
            return
        progress, states, failures = _progress(), _states(), _failures()
        counts = Counter(job.state for job, _ in unfinished)
        for state in UNFINISHED:
            states.add_metric([state], counts[state])
        for job, collection in unfinished:
            if job.state == JobState.RUNNING:
                progress.add_metric([collection, job.kind, job.stage or ""], _fraction(job))
        for job, collection in failed:
            failures.add_metric([collection, job.kind], 1)
        yield progress
        yield states
        yield failures


class WorkerMetrics:
    """Of a process that does jobs."""

    def __init__(self, database: Database) -> None:
        self.registry = process_registry()
        self.registry.register(JobMetrics(database))
        self.encoding = EncodeMetrics(self.registry)
        self.rejected = rejected_pictures(self.registry)


def _progress() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "noongil_job_progress",
        "How much of its stage a running job has done, 0 to 1",
        labels=["collection", "kind", "stage"],
    )


def _states() -> GaugeMetricFamily:
    return GaugeMetricFamily("noongil_jobs", "Unfinished jobs", labels=["state"])


def _failures() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "noongil_job_failed",
        "1 where the last job of a collection failed, for a day",
        labels=["collection", "kind"],
    )


def _fraction(job: Job) -> float:
    return min(1.0, job.done / job.total) if job.total else 0.0
