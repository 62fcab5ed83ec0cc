"""A shop for benchmarks of living collections: servers, a worker, synthetic pictures."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from bench.processes import noongil

COLLECTION = "shop"
PORTS = (8721, 8722)
SERVER_CORES, OTHER_CORE = {0}, {1}
_JOB_SECONDS = 900.0


@dataclass
class Shop:
    """A data folder and a database; its processes run as long as `open` is held."""

    folder: Path
    database_url: str
    model: str = "starter"
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "NOONGIL_DATA_DIR": str(self.folder / "data"),
            "NOONGIL_DATABASE_URL": self.database_url,
            "NOONGIL_MODEL": self.model,
            "NOONGIL_REINDEX_AFTER_CHANGES": "0",
            **self.settings,
        }

    def index(self, source: Path) -> None:
        self._run("db", "upgrade")
        self._run("index", str(source), "--collection", COLLECTION)

    @contextmanager
    def open(self, servers: int = 1, *, worker: bool = True) -> Iterator[list[httpx.Client]]:
        """A client of each server."""
        with ExitStack() as stack:
            clients = []
            for port in PORTS[:servers]:
                url = f"http://127.0.0.1:{port}"
                command = ["serve", "--port", str(port)]
                stack.enter_context(noongil(command, url, SERVER_CORES, self.environment))
                clients.append(stack.enter_context(httpx.Client(base_url=url, timeout=60)))
            if worker:
                stack.enter_context(self._worker())
            yield clients

    def _run(self, *command: str) -> None:
        environment = {**os.environ, **self.environment}
        subprocess.run([sys.executable, "-m", "app", *command], env=environment, check=True)  # noqa: S603 - ours

    @contextmanager
    def _worker(self) -> Iterator[None]:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "jobs"],
            env={**os.environ, "NOONGIL_LOG_LEVEL": "warning", **self.environment},
            preexec_fn=lambda: os.sched_setaffinity(0, OTHER_CORE),  # noqa: PLW1509 - no threads
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


def paint(folder: Path, numbers: Sequence[int]) -> None:
    """A picture a number, no two alike."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        (folder / f"{number:06}.jpg").write_bytes(picture(number))


def picture(seed: int, side: int = 96) -> bytes:
    """A JPEG of coloured patches."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8))
    encoded = io.BytesIO()
    coarse.resize((side, side)).save(encoded, "JPEG")
    return encoded.getvalue()


def put(client: httpx.Client, key: str, data: bytes) -> httpx.Response:
    path = f"/v1/collections/{COLLECTION}/images/{key}"
    return client.put(path, files={"file": ("picture.jpg", data, "image/jpeg")}).raise_for_status()


def reindex(client: httpx.Client, **request: object) -> dict[str, Any]:
    """The job, when it has succeeded."""
    answer = client.post(f"/v1/admin/collections/{COLLECTION}/reindex", json=request)
    job_id = answer.raise_for_status().json()["job_id"]
    until = time.monotonic() + _JOB_SECONDS
    while time.monotonic() < until:
        job: dict[str, Any] = client.get(f"/v1/admin/jobs/{job_id}").raise_for_status().json()
        if job["state"] in {"succeeded", "failed", "cancelled"}:
            if job["state"] != "succeeded":
                raise RuntimeError(f"the job {job['state']}: {job.get('error')}")
            return job
        time.sleep(0.1)
    raise RuntimeError("the job does not end")
