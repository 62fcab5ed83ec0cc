"""What a worker does with a job, and how it is stopped."""

import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.config import Settings
from app.jobs import progress, repository, service
from app.jobs.queue import JobQueue
from app.jobs.schemas import JobKind, JobState, JobView
from app.jobs.stop import Stop
from app.jobs.tables import Job
from indexer.catalog import repository as catalog
from indexer.catalog.db import Database
from models.errors import DeviceLost
from models.types import Embeddings, Pixels
from tests.app.jobs.workers import change, do, worker_of
from tests.app.shop import index, paint
from tests.indexer.pictures.hostile import write_good
from tests.tiny_encoder import TinyEncoder
from tests.waiting import until


def while_encoding(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """`act` once, when the first pictures are with the encoder."""

    def encode(encoder: TinyEncoder, batch: Sequence[Pixels]) -> Embeddings:
        monkeypatch.setattr(TinyEncoder, "encode_pixels", original)
        act()
        return original(encoder, batch)

    original = TinyEncoder.encode_pixels
    monkeypatch.setattr(TinyEncoder, "encode_pixels", encode)


def images(database: Database) -> int:
    with database.read() as session:
        return catalog.image_count(session, catalog.collection(session, "shop").id)


def active(database: Database) -> str | None:
    with database.read() as session:
        version = catalog.collection(session, "shop").active_version
        return version.name if version else None


def test_one_that_runs_stops_at_its_next_step_when_it_is_cancelled(
    settings: Settings,
    database: Database,
    photos: Path,
    ask: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_good(photos, 64)
    before = active(database)
    job_id = ask()

    def cancel() -> None:
        assert service.cancel(database, job_id).state == JobState.RUNNING
        with database.read() as session:
            seen_at = session.get_one(Job, job_id).seen_at
        until(lambda: seen(database, job_id) != seen_at)

    while_encoding(monkeypatch, cancel)
    do(settings, job_id)
    job = service.show(database, job_id)
    assert (job.state, job.error) == (JobState.CANCELLED, None)
    assert active(database) == before
    assert images(database) < 67


def seen(database: Database, job_id: str) -> object:
    with database.read() as session:
        return session.get_one(Job, job_id).seen_at


def test_a_worker_that_is_to_end_leaves_the_job_to_the_next(
    settings: Settings,
    database: Database,
    photos: Path,
    ask: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_good(photos, 64)
    job_id, stop = ask(), Stop()
    while_encoding(monkeypatch, lambda: setattr(stop, "is_set", True))
    do(settings, job_id, stop)
    job = service.show(database, job_id)
    assert (job.state, job.attempts, job.error) == (JobState.QUEUED, 0, None)
    kept = images(database)
    do(settings, job_id)
    job = service.show(database, job_id)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert job.result is not None
    assert job.result["embedded"] + kept == job.result["total"] == 67


def test_what_fails_says_why_in_a_line(
    settings: Settings, database: Database, tmp_path: Path, ask: Callable[..., str]
) -> None:
    job_id = ask(source=str(tmp_path / "nowhere"))
    do(settings, job_id)
    job = service.show(database, job_id)
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert "nowhere" in job.error
    assert "\n" not in job.error


def test_a_bug_is_logged_and_not_shown(
    settings: Settings,
    database: Database,
    ask: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("indexer.indexing.Indexing.reindex", broken)
    job_id = ask()
    do(settings, job_id)
    assert service.show(database, job_id).error == "an unexpected error; the worker logged it"
    assert "ZeroDivisionError: secret" in caplog.text


def test_a_worker_whose_job_was_taken_over_writes_nothing_of_it(
    settings: Settings,
    database: Database,
    photos: Path,
    ask: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_good(photos, 64)
    job_id = ask()
    other: list[JobView] = []

    def take_over() -> None:
        change(database, job_id, owner="another/1/1", stage="theirs")
        other.append(service.show(database, job_id))

    while_encoding(monkeypatch, take_over)
    do(settings, job_id)
    assert [service.show(database, job_id)] == other


def test_a_database_that_is_away_for_a_moment_stops_no_run(
    settings: Settings,
    database: Database,
    photos: Path,
    ask: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_good(photos, 16)
    job_id = ask()
    monkeypatch.setattr(progress, "_WRITE_SECONDS", 0.01)

    def hide_the_table() -> None:
        with database.write() as session:
            session.connection().exec_driver_sql("ALTER TABLE jobs RENAME TO hidden")
        until(lambda: "cannot write its progress" in caplog.text)
        with database.write() as session:
            session.connection().exec_driver_sql("ALTER TABLE hidden RENAME TO jobs")

    while_encoding(monkeypatch, hide_the_table)
    with caplog.at_level(logging.WARNING):
        do(settings, job_id)
    assert service.show(database, job_id).state == JobState.SUCCEEDED


def test_jobs_are_done_one_after_the_other_until_the_worker_is_told_to_end(
    settings: Settings,
    database: Database,
    photos: Path,
    queue: JobQueue,
    ask: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index(settings, photos, "depot")
    paint(photos / "gold.png", "gold")
    first = ask()
    second = service.submit(database, queue, "depot", JobKind.REINDEX, {})
    stop, order = Stop(), []

    def finish(session: Any, owned: Job, *args: Any, **named: Any) -> bool:
        order.append(owned.id)
        stop.is_set = len(order) == 2
        return original(session, owned, *args, **named)

    original = repository.finish
    monkeypatch.setattr(repository, "finish", finish)
    with worker_of(settings, stop) as worker:
        worker.run()
    assert order == [first, second]
    states = {job.state for job in service.list_newest(database, None, None, 10)}
    assert states == {JobState.SUCCEEDED}


@pytest.fixture
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals_as_before")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_the_first_signal_asks_and_the_second_does_not(number: signal.Signals, code: int) -> None:
    stop = Stop()
    stop.at_signals()
    assert not stop.is_set
    os.kill(os.getpid(), number)
    assert (stop.is_set, stop.exit_code) == (True, code)
    assert signal.getsignal(number) == signal.SIG_DFL


def test_a_stage_that_comes_again_goes_on_counting() -> None:
    """With each source, or each time that something was written meanwhile."""
    told = progress.JobProgress(Stop())
    for total in (3, 2):
        told.start("embed", total)
        for _ in range(total):
            told.advance()
        told.start("check", None)
    told.start("embed", 4)
    assert told.told == ("embed", 5, 9)
    told.start("check", 1)
    assert told.told == ("check", 0, None), "it was not known how much the others were"


def test_a_trace_of_a_job_shows_its_stages(
    settings: Settings, ask: Callable[..., str], photos: Path, spans: InMemorySpanExporter
) -> None:
    paint(photos / "white.png", "white")
    do(settings, ask())
    job = spans.get_finished_spans()[-1]
    assert job.name == "job"
    assert job.attributes == {"noongil.kind": "reindex", "noongil.collection": "shop"}
    stages = [span for span in spans.get_finished_spans() if span.parent == job.context]
    assert {"embed", "train"} & {stage.name for stage in stages}
    assert len(stages) == len(spans.get_finished_spans()) - 1


def test_so_does_one_that_lost_its_device(
    settings: Settings,
    ask: Callable[..., str],
    photos: Path,
    spans: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process ends with it: whoever looks for the cause sees how far it came."""
    paint(photos / "white.png", "white")

    def lose() -> None:
        raise DeviceLost("fell off the bus")

    while_encoding(monkeypatch, lose)
    with pytest.raises(DeviceLost):
        do(settings, ask())
    assert [span.name for span in spans.get_finished_spans()][-2:] == ["embed", "job"]
