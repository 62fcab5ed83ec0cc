"""Workers of jobs: one in this process, or real ones on the tiny encoder."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import update

from app.config import Settings
from app.jobs import repository
from app.jobs.queue import JobQueue
from app.jobs.stop import Stop
from app.jobs.tables import Job
from app.jobs.worker import Worker
from indexer.catalog.db import Database

ROOT = Path(__file__).parents[3]
REINDEX = "/v1/admin/collections/shop/reindex"


@contextmanager
def worker_of(settings: Settings, stop: Stop | None = None) -> Iterator[Worker]:
    """With a catalog connection of its own, as another process would have."""
    database, queue = Database(settings.database_url), JobQueue(settings)
    try:
        yield Worker(settings, database, queue, stop or Stop())
    finally:
        queue.close()
        database.close()


def do(settings: Settings, job_id: str, stop: Stop | None = None) -> None:
    with worker_of(settings, stop) as worker:
        worker.do(job_id)


def change(database: Database, job_id: str, **values: object) -> None:
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def claim(database: Database, job_id: str, owner: str) -> None:
    with database.write() as session:
        assert repository.claim(session, job_id, owner) is not None


def submit(client: httpx.Client, **request: object) -> str:
    response = client.post(REINDEX, json=request)
    assert response.status_code == 202, response.text
    job_id = response.json()["job_id"]
    assert response.headers["location"] == f"/v1/admin/jobs/{job_id}"
    return str(job_id)


def shown(client: httpx.Client, job_id: str) -> dict[str, Any]:
    response = client.get(f"/v1/admin/jobs/{job_id}")
    assert response.status_code == 200, response.text
    job: dict[str, Any] = response.json()
    return job


class WorkerProcess:
    """`noongil jobs`; its encoder notes how many pictures it has encoded."""

    def __init__(self, settings: Settings, folder: Path, seconds_a_batch: float = 0.0) -> None:
        self.notes = folder / "encoded.txt"
        self.notes.touch()
        self.log = folder / "worker.log"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.app.jobs.tiny_noongil", "jobs"],
                cwd=folder,
                stderr=log,
                env=os.environ
                | {
                    "PYTHONPATH": str(ROOT),
                    "NOONGIL_MODEL": "tiny",
                    "NOONGIL_BATCH_SIZE": "8",
                    "NOONGIL_DATA_DIR": str(settings.data_dir),
                    "NOONGIL_DATABASE_URL": settings.database_url,
                    "NOONGIL_LEASE_SECONDS": str(settings.lease_seconds),
                    "NOONGIL_SWITCH_WAIT_SECONDS": "0",
                    "TINY_NOTES": str(self.notes),
                    "TINY_SECONDS": str(seconds_a_batch),
                },
            )

    @property
    def encoded(self) -> int:
        """Pictures, of all workers that note in this folder."""
        return sum(map(int, self.notes.read_text().split()))

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)
