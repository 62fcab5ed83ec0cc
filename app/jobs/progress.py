"""What a run tells its job's record, and hears from it.

The run never waits for the database, and a database that is away for some seconds stops no run:
a thread of its own writes how far it is, no more than twice a second, and that its worker lives.
"""

import logging
import threading
import time
from types import TracebackType
from typing import NamedTuple, Self

from opentelemetry.trace import INVALID_SPAN, Span
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from app.jobs import repository
from app.jobs.stop import Stop
from app.jobs.tables import Job
from indexer.catalog.db import Database
from indexer.errors import RejectReason
from models.tracing import began

logger = logging.getLogger(__name__)

_WRITE_SECONDS = 0.5
_ALIVE_SECONDS = 2.0


class Stopped(Exception):
    """Raised in a run at its next step; what it finished is kept."""


class Cancelled(Stopped):
    """Somebody does not want the job any more."""


class Interrupted(Stopped):
    """The worker is to end."""


class TakenOver(Stopped):
    """This worker was silent for so long that the job is not its own any more."""


class Told(NamedTuple):
    stage: str | None = None
    done: int = 0
    total: int | None = None


class JobProgress:
    """A Progress that stops the run where the job is not to be done (any more), or not here."""

    def __init__(self, stop: Stop, rejected: Counter | None = None) -> None:
        """`rejected`: counts pictures, by reason."""
        self._stop = stop
        self._rejected = rejected
        self._stages: dict[str | None, Told] = {}
        self.told = Told()
        self._span: Span = INVALID_SPAN
        """Of the stage."""
        self.is_cancelled = False
        self.is_taken_over = False

    def start(self, stage: str, total: int | None) -> None:
        """A stage that comes again, as with each source, goes on counting."""
        self.end()
        self._span = began(stage)
        self._stages[self.told.stage] = self.told
        before = self._stages.get(stage, Told(stage, 0, 0))
        if before.total is None or total is None:
            self.told = Told(stage, before.done)
        else:
            self.told = Told(stage, before.done, before.total + total)
        self._require_wanted()

    def end(self) -> None:
        """Of the stage, as traces show it."""
        self._span.end()
        self._span = INVALID_SPAN

    def advance(self, steps: int = 1) -> None:
        self.told = self.told._replace(done=self.told.done + steps)
        self._require_wanted()

    def reject(self, reason: RejectReason) -> None:
        if self._rejected is not None:
            self._rejected.labels(reason).inc()

    def _require_wanted(self) -> None:
        """Raises Stopped."""
        if self.is_taken_over:
            raise TakenOver
        if self.is_cancelled:
            raise Cancelled
        if self._stop.is_set:
            raise Interrupted


class Heartbeat:
    """While its context is open, the job's record says that its worker lives and how far it is."""

    def __init__(
        self, database: Database, job: Job, progress: JobProgress, lease_seconds: float
    ) -> None:
        self._database = database
        self._job = job
        self._progress = progress
        self._alive_seconds = min(_ALIVE_SECONDS, lease_seconds / 4)
        self._written = Told()
        self._written_at = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

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
        while not self._over.wait(min(_WRITE_SECONDS, self._alive_seconds)):
            self._write_if_due()
        self._write_if_due()

    def _write_if_due(self) -> None:
        told, silent = self._progress.told, time.monotonic() - self._written_at
        if told == self._written and silent < self._alive_seconds:
            return
        try:
            self._write(told)
        except SQLAlchemyError as error:
            logger.warning("job %s: cannot write its progress: %s", self._job.id, error)

    def _write(self, told: Told) -> None:
        assert self._job.owner is not None  # noqa: S101 - it was claimed
        with self._database.write() as session:
            wanted = repository.say_at_work(session, self._job.id, self._job.owner, *told)
        self._written, self._written_at = told, time.monotonic()
        self._progress.is_taken_over = wanted is None
        self._progress.is_cancelled = bool(wanted)
