"""Jobs on the command line, and the worker that a demonstration has beside its server."""

import os
import signal
from pathlib import Path

import pytest

from app.config import Settings
from app.jobs import child, service
from app.jobs.child import WorkerProcess
from app.jobs.queue import JobQueue
from app.jobs.schemas import JobKind, JobState
from indexer.catalog import db
from indexer.catalog.db import Database
from tests.app.command_line import Run, runner
from tests.app.shop import index
from tests.waiting import until


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    db.upgrade(url)
    return url


@pytest.fixture
def noongil(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    return runner(settings, monkeypatch, capfd)


@pytest.fixture
def job_id(settings: Settings, database: Database, photos: Path) -> str:
    index(settings, photos)
    return service.submit(database, JobQueue(settings), "shop", JobKind.REINDEX, {})


def test_an_operator_lists_and_cancels_jobs(noongil: Run, job_id: str) -> None:
    assert job_id in noongil("jobs", "list").out
    assert noongil("jobs", "cancel", job_id).code == 0
    listed = noongil("jobs", "list", "--state", "cancelled", "--json").json()
    assert isinstance(listed, list)
    assert [job["id"] for job in listed] == [job_id]
    again = noongil("jobs", "cancel", job_id)
    assert (again.code, again.out) == (1, "")
    assert again.err.startswith("error: ")


@pytest.mark.usefixtures("noongil")
def test_a_worker_beside_a_server_is_started_again_when_it_dies_and_ends_with_the_server(
    database: Database,
    job_id: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It does not know the tiny encoder: that the job fails shows that the worker is at work."""
    monkeypatch.setattr(child, "_MAX_STARTS", 2)
    with WorkerProcess() as worker:
        first = worker._child.pid
        os.kill(first, signal.SIGKILL)
        until(lambda: service.show(database, job_id).state == JobState.FAILED)
        assert worker._child.pid != first
    assert worker._child.returncode == 0
    with WorkerProcess() as worker:
        for _ in range(2):
            pid = worker._child.pid
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: worker._child.pid != pid or "keeps ending" in caplog.text)
    assert "jobs wait until `noongil jobs` is started" in caplog.text
