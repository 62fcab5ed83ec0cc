"""Metrics of jobs, read from their table whenever Prometheus asks."""

import logging
from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app.jobs import repository
from app.jobs.schemas import UNFINISHED, JobState
from app.jobs.tables import Job
from indexer.catalog.db import Database

logger = logging.getLogger(__name__)


class JobMetrics(Collector):
    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[GaugeMetricFamily]:
        """Registering asks for the names alone: not the database."""
        return [_progress(), _states()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Nothing where the database is away: other metrics say how that is going."""
        try:
            with self._database.read() as session:
                unfinished = repository.unfinished(session)
        except SQLAlchemyError as error:
            logger.warning("cannot measure jobs: %s", error)
            return
        progress, states = _progress(), _states()
        counts = Counter(job.state for job, _ in unfinished)
        for state in UNFINISHED:
            states.add_metric([state], counts[state])
        for job, collection in unfinished:
            if job.state == JobState.RUNNING:
                progress.add_metric([collection, job.kind, job.stage or ""], _fraction(job))
        yield progress
        yield states


def _progress() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "noongil_job_progress",
        "How much of its stage a running job has done, 0 to 1",
        labels=["collection", "kind", "stage"],
    )


def _states() -> GaugeMetricFamily:
    return GaugeMetricFamily("noongil_jobs", "Unfinished jobs", labels=["state"])


def _fraction(job: Job) -> float:
    return min(1.0, job.done / job.total) if job.total else 0.0
