"""A collection, and a queue of jobs for it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.config import Settings
from app.jobs import service
from app.jobs.queue import JobQueue
from app.jobs.schemas import JobKind
from indexer.catalog.db import Database
from tests.app.shop import index


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No server opens a version unless a test says so: nobody is waited for."""
    return settings.model_copy(update={"switch_wait_seconds": 0, "batch_size": 8})


@pytest.fixture
def queue(settings: Settings) -> Iterator[JobQueue]:
    with closing(JobQueue(settings)) as opened:
        yield opened


@pytest.fixture
def indexed(settings: Settings, photos: Path) -> str:
    """The name of a collection of three pictures."""
    index(settings, photos)
    return "shop"


@pytest.fixture
def ask(database: Database, queue: JobQueue, indexed: str) -> Callable[..., str]:
    def ask(kind: JobKind = JobKind.REINDEX, **request: object) -> str:
        return service.submit(database, queue, indexed, kind, request)

    return ask
