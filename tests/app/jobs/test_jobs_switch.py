"""Stopping a job while its new version waits for servers."""

import threading
from collections.abc import Callable
from pathlib import Path

from app.config import Settings
from app.jobs import service
from app.jobs.schemas import JobState
from app.jobs.stop import Stop
from indexer.catalog import repository as catalog
from indexer.catalog.db import Database
from indexer.live import servers
from tests.app.jobs.workers import do
from tests.app.shop import paint
from tests.waiting import until


def coming(database: Database) -> int | None:
    with database.read() as session:
        return catalog.collection(session, "shop").next_version_id


def active(database: Database) -> int | None:
    with database.read() as session:
        return catalog.collection(session, "shop").active_version_id


def test_one_that_waits_for_servers_is_cancelled_and_nothing_is_switched(
    settings: Settings, database: Database, photos: Path, ask: Callable[..., str]
) -> None:
    patient = settings.model_copy(update={"switch_wait_seconds": 600})
    with database.write() as session:
        silent = servers.register(session, "elsewhere", 1)
    before = active(database)
    paint(photos / "white.png", "white")
    job_id = ask()
    working = threading.Thread(target=do, args=(patient, job_id))
    working.start()
    until(lambda: service.show(database, job_id).stage == "switch")
    service.cancel(database, job_id)
    working.join(30)
    assert service.show(database, job_id).state == JobState.CANCELLED
    assert active(database) == before
    with database.write() as session:
        servers.forget(session, silent)
    again = ask()
    do(settings, again)
    assert service.show(database, again).state == JobState.SUCCEEDED
    assert active(database) != before
    assert coming(database) is None


def test_a_rollback_that_was_given_up_is_prepared_no_more(
    settings: Settings, database: Database, photos: Path, ask: Callable[..., str]
) -> None:
    """Servers would hold two versions, and two encoders, for ever."""
    first = active(database)
    paint(photos / "white.png", "white")
    do(settings, ask())
    second = active(database)
    with database.write() as session:
        owner = catalog.collection(session, "shop")
        owner.next_version_id = first
    do(settings, ask())
    assert (active(database), coming(database)) == (second, None)


def test_a_worker_told_to_end_while_it_switches_ends_the_switch(
    settings: Settings, database: Database, photos: Path, ask: Callable[..., str]
) -> None:
    """Either nothing is switched, or all: the next attempt finds which."""
    paint(photos / "white.png", "white")
    before, stop, job_id = active(database), Stop(), ask()
    patient = settings.model_copy(update={"switch_wait_seconds": 600})
    with database.write() as session:
        silent = servers.register(session, "elsewhere", 1)
    working = threading.Thread(target=do, args=(patient, job_id, stop))
    working.start()
    until(lambda: service.show(database, job_id).stage == "switch")
    stop.is_set = True
    working.join(30)
    job = service.show(database, job_id)
    assert (job.state, job.attempts, active(database)) == (JobState.QUEUED, 0, before)
    with database.write() as session:
        servers.forget(session, silent)
    do(settings, job_id)
    assert service.show(database, job_id).state == JobState.SUCCEEDED
    assert active(database) != before
