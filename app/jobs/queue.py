"""The queue between servers and workers: it carries ids of jobs and nothing else.

What a job is, and whether it is still to be done, the table of jobs says alone. A message may be
lost or come twice: the sweep sends it again, and a job is claimed once.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property

import psycopg
from huey import Huey, PostgresHuey, SqliteHuey
from huey.api import TaskWrapper
from huey.exceptions import HueyException
from huey.registry import Message
from huey.serializer import Serializer
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, make_url

from app.config import Settings

_NAME = "noongil"


class QueueAway(Exception):
    """The queue's file or database cannot be used just now."""


class JobQueue:
    """In `jobs.db` of the data folder, or in the PostgreSQL that holds the catalog. Opened where it
    is first used, so that a server starts without it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def put(self, job_id: str) -> None:
        """Raises QueueAway."""
        with _away():
            self._messages(job_id)

    def put_missing(self, job_ids: Iterable[str]) -> None:
        """Those of the jobs of which nothing is in the queue. Raises QueueAway."""
        with _away():
            there = {task.args[0] for task in self._messages.huey.pending()}
        for job_id in job_ids:
            if job_id not in there:
                self.put(job_id)

    def take(self) -> str | None:
        """The oldest job's id, out of the queue; None where it is empty, which PostgreSQL waits a
        second for. Raises QueueAway.
        """
        with _away():
            task = self._messages.huey.dequeue()
        return None if task is None else str(task.args[0])

    def close(self) -> None:
        """By the thread that took: it has a connection of its own, which listens."""
        if "_messages" in self.__dict__:
            self._messages.huey.storage.close()

    @cached_property
    def _messages(self) -> TaskWrapper:
        """Called with a job's id, it puts one. Whoever takes it runs the job, not Huey."""
        return _open(self._settings).task(name="job")(lambda job_id: job_id)


class _Json(Serializer):  # type: ignore[misc] # Huey has no types
    """Huey's own messages are pickles: code, to whoever may write to the queue."""

    def _serialize(self, data: Message) -> bytes:
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Message:
        return Message(*json.loads(bytes(data)))


def _open(settings: Settings) -> Huey:
    url = make_url(settings.database_url)
    options = {"results": False, "serializer": _Json()}
    if url.get_backend_name() != "sqlite":
        huey = PostgresHuey(_NAME, dsn=conninfo(url), create_tables=False, **options)
        _create_tables(huey)
        return huey
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return SqliteHuey(_NAME, filename=settings.data_dir / "jobs.db", fsync=True, **options)


def _create_tables(huey: Huey) -> None:
    try:
        huey.storage.initialize_schema()
    except (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
        huey.storage.initialize_schema()  # another process did at the same time, and is done


def conninfo(url: URL) -> str:
    """libpq's connection string of what SQLAlchemy reads as `url`."""
    parameters = url.translate_connect_args(username="user", database="dbname")
    asked = {
        name: value if isinstance(value, str) else ",".join(value)
        for name, value in url.query.items()
    }
    return make_conninfo(**parameters | asked)


@contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, psycopg.Error, HueyException, OSError, ValueError) as error:
        raise QueueAway(f"the queue of jobs cannot be used: {error}") from error
