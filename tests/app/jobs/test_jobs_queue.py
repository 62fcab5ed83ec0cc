"""The queue may lose messages or send them twice: a job is done, and once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import alembic.command
import pytest
from sqlalchemy import URL, make_url, text

from app.config import Settings
from app.jobs import service
from app.jobs.errors import JobRunning
from app.jobs.queue import JobQueue, conninfo
from app.jobs.schemas import JobKind, JobState
from app.jobs.sweep import sweep
from indexer.catalog.db import Database, alembic_config
from tests.app.jobs.workers import claim, do
from tests.waiting import until

_COLUMNS = """(id bigserial, queue text, data bytea, priority float, timestamp float, key text,
value bigint)"""


def test_a_message_is_an_id_and_no_code(queue: JobQueue, ask: Callable[..., str]) -> None:
    job_id = ask()
    (message,) = queue._messages.huey.storage.enqueued_items()
    assert job_id.encode() in bytes(message)
    assert bytes(message).startswith(b"[")
    assert (queue.take(), queue.take()) == (job_id, None)


def test_libpq_is_told_what_sqlalchemy_reads_in_a_url() -> None:
    url = URL.create(
        "postgresql+psycopg", "me", "p w'@", "db.example", 5433, "n/a", {"sslmode": "require"}
    )
    told = conninfo(make_url(url.render_as_string(hide_password=False)))
    assert "password='p w\\'@'" in told
    for part in ("user=me", "host=db.example", "port=5433", "dbname=n/a", "sslmode=require"):
        assert part in told


def test_a_job_whose_message_is_lost_is_done_all_the_same(
    settings: Settings, database: Database, queue: JobQueue, ask: Callable[..., str]
) -> None:
    job_id = ask()
    queue._messages.huey.storage.flush_queue()
    for _ in range(2):
        sweep(database, queue, settings)
    assert (queue.take(), queue.take()) == (job_id, None)


def test_a_queue_that_cannot_be_used_refuses_no_job(
    tmp_path: Path, settings: Settings, database: Database, indexed: str
) -> None:
    away = settings.model_copy(update={"data_dir": tmp_path / "file" / "data"})
    (tmp_path / "file").write_text("no folder")
    if database.engine.dialect.name == "postgresql":
        away.database_url = "postgresql://nobody@127.0.0.1:1/none"
    job_id = service.submit(database, JobQueue(away), indexed, JobKind.REINDEX, {})
    assert service.show(database, job_id).state == JobState.QUEUED


def test_a_second_job_of_a_collection_is_refused_until_the_first_is_over(
    settings: Settings, ask: Callable[..., str]
) -> None:
    first = ask()
    with pytest.raises(JobRunning, match=first):
        ask(JobKind.FOLD)
    do(settings, first)
    assert ask(JobKind.FOLD)


def test_a_job_is_claimed_once(
    settings: Settings, database: Database, ask: Callable[..., str]
) -> None:
    job_id = ask()
    claim(database, job_id, "another/1/1")
    do(settings, job_id)
    job = service.show(database, job_id)
    assert (job.state, job.attempts) == (JobState.RUNNING, 1)


def test_two_processes_may_be_the_first_to_use_the_queue(
    settings: Settings, database: Database
) -> None:
    """PostgreSQL's `create table if not exists` fails where another creates it at the same time."""
    if database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    def waits() -> bool:
        with database.read() as session:  # in one transaction the answer stays what it was
            return bool(session.scalar(waiting))

    with ThreadPoolExecutor(1) as pool, closing(JobQueue(settings)) as queue:
        with database.write() as first:
            for table in ("kv", "schedule", "task", "counter"):
                first.execute(text(f"CREATE TABLE huey_{table} {_COLUMNS}"))
            second = pool.submit(queue.put, "job")
            until(waits)
        second.result(30)
        assert queue.take() == "job"


def test_the_queues_tables_are_none_of_the_migrations_business(
    database_url: str, settings: Settings
) -> None:
    """`alembic check` would have them dropped."""
    with closing(JobQueue(settings)) as queue:
        queue.put("job")
    alembic.command.check(alembic_config(database_url))
