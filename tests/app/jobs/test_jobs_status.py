"""What an orchestrator and Prometheus are told of a worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.jobs import pulse
from app.jobs.queue import JobQueue, QueueAway
from app.jobs.status import Status, told
from app.jobs.worker import Worker
from app.listening import CannotServe
from indexer.catalog.db import Database
from tests.app.jobs.workers import submit, worker_of
from tests.app.servers import Process, free_port
from tests.app.shop import index, refresh
from tests.databases import ON_SQLITE
from tests.waiting import until


@contextmanager
def asked(worker: Worker) -> Iterator[TestClient]:
    status = Status(worker._database, worker.pulse, worker.metrics.registry)
    with TestClient(status.app) as client:
        yield client


@pytest.fixture
def worker(settings: Settings) -> Iterator[Worker]:
    with worker_of(settings) as worker:
        yield worker


def test_a_worker_that_waits_for_jobs_is_alive_and_ready(worker: Worker) -> None:
    with asked(worker) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.get("/v1/collections").status_code == 404
        assert client.post("/readyz").status_code == 405


def test_a_database_of_another_revision_is_not_ready(worker: Worker, database: Database) -> None:
    with database.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = 'older'")
    with asked(worker) as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "older" not in answer.text, "that is for the log"
        assert client.get("/healthz").status_code == 200, "a restart would not help"


def test_a_queue_that_is_away_is_not_ready(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: JobQueue) -> None:
        raise QueueAway("its file is gone")

    monkeypatch.setattr("app.jobs.worker._SWEEP_SECONDS", 0)
    monkeypatch.setattr(JobQueue, "take", away)
    with asked(worker) as client:
        assert worker._take() is None
        assert client.get("/readyz").status_code == 503
        monkeypatch.undo()
        worker._take()
        assert client.get("/readyz").status_code == 200


def test_a_loop_that_is_stuck_wants_a_restart_and_one_at_work_does_not(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "_STUCK_SECONDS", -1.0)
    with asked(worker) as client:
        for path in ("/healthz", "/readyz"):
            assert client.get(path).status_code == 503
        with worker.pulse.at_work():
            assert client.get("/healthz").status_code == 200


def test_the_port_is_the_workers_own(worker: Worker) -> None:
    status = Status(worker._database, worker.pulse, worker.metrics.registry)
    port = free_port()
    with told(status, "127.0.0.1", port):
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        with pytest.raises(CannotServe, match=str(port)), told(status, "127.0.0.1", port):
            pass
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/readyz")


@ON_SQLITE
def test_a_job_shows_in_the_metrics_of_who_does_it(
    client: TestClient, settings: Settings, photos: Path, tmp_path: Path
) -> None:
    index(settings, photos)
    refresh(client)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    port = free_port()
    with Process(
        tmp_path,
        "jobs",
        port=port,
        jobs_port=port,
        data_dir=settings.data_dir,
        database_url=settings.database_url,
        switch_wait_seconds=0,
    ) as process:
        until(lambda: process.answers(f"{process.url}/readyz"))
        job_id = submit(client)
        until(lambda: client.get(f"/v1/admin/jobs/{job_id}").json()["state"] == "succeeded")
        metrics = httpx.get(f"{process.url}/metrics").text
        assert 'noongil_jobs{state="running"} 0.0' in metrics
        assert 'noongil_rejected_total{reason="truncated"} 1.0' in metrics
        assert "noongil_build_info{version=" in metrics
        assert "process_resident_memory_bytes" in metrics
        process.tell_to_stop()
        assert process.end() == 0
