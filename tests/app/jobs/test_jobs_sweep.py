"""What a worker does about other workers' deaths, and by itself."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.config import Settings
from app.jobs import repository, service
from app.jobs.queue import JobQueue
from app.jobs.schemas import JobKind, JobState, JobView
from app.jobs.sweep import sweep
from app.jobs.tables import Job
from indexer import lease
from indexer.catalog import repository as catalog
from indexer.catalog.db import Database, database_now
from indexer.catalog.tables import Collection
from tests.app.jobs.workers import change, claim, do

DEAD = "no-host/0/0"
"""No worker's name. One of another host is dead only if it is silent."""


def test_the_job_of_a_worker_that_is_silent_is_begun_again_and_not_for_ever(
    settings: Settings, database: Database, queue: JobQueue, ask: Callable[..., str]
) -> None:
    job_id = ask()
    for attempt in range(1, settings.job_attempts + 1):
        claim(database, job_id, DEAD)
        sweep(database, queue, settings)
        assert service.show(database, job_id).state == JobState.RUNNING
        with database.read() as session:
            silent = database_now(session) - timedelta(seconds=settings.lease_seconds + 1)
        change(database, job_id, seen_at=silent)
        sweep(database, queue, settings)
        assert service.show(database, job_id).attempts == attempt
    job = service.show(database, job_id)
    assert (job.state, job.error) == (JobState.FAILED, "its worker died 3 times")
    assert job.finished_at is not None


def test_the_job_of_a_process_of_this_machine_that_ended_is_begun_again_at_once(
    settings: Settings, database: Database, queue: JobQueue, ask: Callable[..., str]
) -> None:
    host = lease.process_id().partition("/")[0]
    job_id = ask()
    claim(database, job_id, f"{host}/999999999/1")
    sweep(database, queue, settings)
    assert service.show(database, job_id).state == JobState.QUEUED


def test_a_job_to_be_cancelled_whose_worker_died_is_cancelled(
    settings: Settings, database: Database, queue: JobQueue, ask: Callable[..., str]
) -> None:
    host = lease.process_id().partition("/")[0]
    job_id = ask()
    claim(database, job_id, f"{host}/999999999/1")
    service.cancel(database, job_id)
    sweep(database, queue, settings)
    assert service.show(database, job_id).state == JobState.CANCELLED


def test_a_job_waits_while_a_run_of_the_command_line_holds_the_collection(
    settings: Settings, database: Database, queue: JobQueue, ask: Callable[..., str]
) -> None:
    job_id = ask()
    with database.read() as session:
        collection_id = catalog.collection(session, "shop").id
    with lease.hold(database, collection_id):
        do(settings, job_id)
        job = service.show(database, job_id)
        assert (job.state, job.attempts) == (JobState.QUEUED, 0)
        assert job.error is not None
        assert "another indexing run" in job.error
    queue._messages.huey.storage.flush_queue()
    sweep(database, queue, settings)
    taken = queue.take()
    assert taken == job_id
    do(settings, taken)
    job = service.show(database, job_id)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)


def test_only_the_newest_finished_jobs_are_kept(
    settings: Settings,
    database: Database,
    ask: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repository, "_KEPT", 2)
    ids = []
    for _ in range(4):
        ids.append(ask())
        do(settings, ids[-1])
    with database.read() as session:
        assert set(session.scalars(select(Job.id))) == set(ids[-2:])


def fold_after(settings: Settings, changes: int) -> Settings:
    return settings.model_copy(update={"reindex_after_changes": changes})


def folds(database: Database) -> list[JobView]:
    found = service.list_newest(database, "shop", None, 100)
    return [job for job in found if job.kind == JobKind.FOLD]


def active(database: Database) -> str | None:
    with database.read() as session:
        version = catalog.collection(session, "shop").active_version
        return version.name if version else None


def test_an_index_that_misses_much_is_built_anew_by_itself(
    settings: Settings, database: Database, queue: JobQueue, indexed: str
) -> None:
    with database.write() as session:  # as if the version had been built of nothing
        owner = catalog.collection(session, indexed)
        assert owner.active_version is not None
        owner.active_version.change_number = 0
    sweep(database, queue, fold_after(settings, 0))
    sweep(database, queue, fold_after(settings, 3))
    with lease.hold(database, owner.id):  # a run, which will publish an index itself
        sweep(database, queue, fold_after(settings, 2))
    assert not folds(database)
    before = active(database)
    for _ in range(2):
        sweep(database, queue, fold_after(settings, 2))
    (fold,) = folds(database)
    assert fold.state == JobState.QUEUED
    do(settings, fold.id)
    (fold,) = folds(database)
    assert fold.state == JobState.SUCCEEDED, fold.error
    assert active(database) != before
    sweep(database, queue, fold_after(settings, 2))
    assert folds(database) == [fold]


def test_a_collection_without_a_version_is_folded_too(
    settings: Settings, database: Database, queue: JobQueue, indexed: str
) -> None:
    with database.write() as session:
        session.execute(update(Collection).values(active_version_id=None))
        for version in catalog.versions(session, catalog.collection(session, indexed).id):
            session.delete(version)
    sweep(database, queue, fold_after(settings, 2))
    assert [fold.state for fold in folds(database)] == [JobState.QUEUED]


def test_a_fold_that_came_to_nothing_is_not_tried_again_at_once(
    settings: Settings, database: Database, queue: JobQueue, indexed: str
) -> None:
    with database.write() as session:
        owner = catalog.collection(session, indexed)
        assert owner.active_version is not None
        owner.active_version.change_number = 0
    sweep(database, queue, fold_after(settings, 1))
    (fold,) = folds(database)
    service.cancel(database, fold.id)
    sweep(database, queue, fold_after(settings, 1))
    assert len(folds(database)) == 1
    with database.read() as session:
        long_ago = database_now(session) - timedelta(hours=1)
    change(database, fold.id, finished_at=long_ago)
    sweep(database, queue, fold_after(settings, 1))
    assert len(folds(database)) == 2
