"""Real workers that are killed, stopped, told to end: a job is done, and pictures embedded once."""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select

from app.config import Settings
from app.jobs import service
from app.jobs.queue import JobQueue
from app.jobs.schemas import JobKind, JobState, JobView
from indexer.catalog.db import Database
from indexer.catalog.tables import Embedding, Image, IndexVersion
from tests.app.jobs.workers import WorkerProcess
from tests.app.shop import index
from tests.databases import ON_SQLITE
from tests.indexer.pictures.hostile import write_good
from tests.waiting import until

PICTURES = 64
SLOW = 0.3
"""Seconds a batch of eight pictures."""

Start = Callable[..., WorkerProcess]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"switch_wait_seconds": 0, "lease_seconds": 2.0})


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Workers that end with the test, also one that was stopped."""
    started: list[WorkerProcess] = []

    def start(seconds_a_batch: float = 0.0) -> WorkerProcess:
        started.append(WorkerProcess(settings, tmp_path, seconds_a_batch))
        return started[-1]

    yield start
    for worker in started:
        with suppress(ProcessLookupError):
            worker.process.kill()
        worker.process.wait()
        print(worker.log.read_text(), file=sys.stderr)  # noqa: T201 - shown where a test fails


@pytest.fixture
def job_id(settings: Settings, database: Database, photos: Path) -> str:
    """Of a collection to which many pictures came."""
    index(settings, photos)
    write_good(photos, PICTURES)
    with closing(JobQueue(settings)) as queue:
        return service.submit(database, queue, "shop", JobKind.REINDEX, {})


def is_done(database: Database, job_id: str) -> bool:
    return service.show(database, job_id).state.is_final


def require_done_once(database: Database, job_id: str, encoded: int, lost: int) -> JobView:
    """At most `lost` pictures were encoded more than once; each has one embedding."""
    job = service.show(database, job_id)
    assert job.state == JobState.SUCCEEDED, job.error
    with database.read() as session:
        images = session.scalars(select(func.count(Image.id))).one()
        embeddings = session.scalars(select(func.count()).select_from(Embedding)).one()
        newest = session.scalars(select(IndexVersion).order_by(IndexVersion.id.desc())).first()
    assert newest is not None
    assert images == embeddings == newest.count == PICTURES + 3
    assert PICTURES <= encoded <= PICTURES + lost
    return job


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_worker_that_is_killed_is_followed_by_one_that_goes_on_from_its_last_shard(
    database: Database, job_id: str, start: Start
) -> None:
    killed = start(SLOW)
    until(lambda: killed.encoded >= 32)
    assert killed.end(signal.SIGKILL) == -signal.SIGKILL
    assert service.show(database, job_id).state == JobState.RUNNING
    following = start()
    until(lambda: is_done(database, job_id))
    # The shard in hand, and the batches that were with the encoder.
    job = require_done_once(database, job_id, following.encoded, lost=24)
    assert job.attempts == 2


@ON_SQLITE
def test_a_worker_that_is_told_to_end_keeps_what_it_finished_and_leaves_the_job_to_the_next(
    database: Database, job_id: str, start: Start
) -> None:
    ended = start(SLOW)
    until(lambda: ended.encoded >= 16)
    assert ended.end(signal.SIGTERM) == 0
    job = service.show(database, job_id)
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)
    assert "Traceback" not in ended.log.read_text()
    following = start()
    until(lambda: is_done(database, job_id))
    assert require_done_once(database, job_id, following.encoded, lost=0).attempts == 1


def put_to_sleep(worker: WorkerProcess, database: Database) -> None:
    """Not in the middle of a transaction: its locks would sleep with it."""
    is_sqlite = database.engine.dialect.name == "sqlite"
    impatience = "PRAGMA busy_timeout=200" if is_sqlite else "SET lock_timeout=200"
    begin = "BEGIN IMMEDIATE" if is_sqlite else "LOCK TABLE jobs, collections NOWAIT"
    while True:
        worker.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, worker.process.pid, os.WSTOPPED)  # each of its threads, by now
        raw = database.engine.raw_connection()
        try:
            raw.cursor().execute(impatience)
            raw.cursor().execute(begin)
        except (sqlite3.OperationalError, psycopg.errors.LockNotAvailable):
            worker.process.send_signal(signal.SIGCONT)
        else:
            return
        finally:
            raw.rollback()
            raw.invalidate()


@ON_SQLITE
def test_a_worker_that_slept_through_its_lease_publishes_nothing_when_it_wakes(
    database: Database, job_id: str, start: Start
) -> None:
    sleeper = start(SLOW)
    until(lambda: sleeper.encoded >= 16)
    put_to_sleep(sleeper, database)
    other = start()
    until(lambda: is_done(database, job_id))
    done = service.show(database, job_id)
    with database.read() as session:
        versions = session.scalars(select(IndexVersion.name)).all()
    sleeper.process.send_signal(signal.SIGCONT)
    until(lambda: "taken over" in sleeper.log.read_text())
    assert sleeper.end(signal.SIGTERM) == 0
    assert service.show(database, job_id) == done
    assert done.state == JobState.SUCCEEDED, done.error
    with database.read() as session:
        assert session.scalars(select(IndexVersion.name)).all() == versions
    assert other.process.poll() is None
