"""Whoever asks for reindexes, changes of the model and rollbacks, at any time."""

import random
import threading
import time
from typing import Any

import httpx

from bench.crashes.processes import COLLECTION, GaveUp, Shop
from bench.crashes.tally import Tally

MODELS = ("tiny", "tiny:2")
_ADMIN = f"/v1/admin/collections/{COLLECTION}"
_JOB_SECONDS = 120.0
_LOOK_SECONDS = 0.05
_UNFINISHED = {"queued", "running"}


class Operator:
    def __init__(self, shop: Shop, tally: Tally, seed: int) -> None:
        self._shop = shop
        self._tally = tally
        self._random = random.Random(f"{seed}/operator")  # noqa: S311 - a schedule
        self._asking: list[threading.Thread] = []

    def ask_for_something(self) -> None:
        """Answered or not, without waiting for it."""
        draw = self._random.random()
        if draw < 0.4:
            request: dict[str, Any] | None = {}
        elif draw < 0.5:
            request = {"source": str(self._shop.photos)}
        elif draw < 0.8:
            request = {"model": self._random.choice(MODELS)}
        else:
            request = None
        chosen = self._random.random()
        asking = threading.Thread(target=self._ask, args=(request, chosen), daemon=True)
        asking.start()
        self._asking.append(asking)

    def wait_answered(self) -> None:
        for asking in self._asking:
            asking.join()
        self._asking.clear()

    def wait_for_job(self, seconds: float, *, running: bool) -> None:
        """Until one runs, or until none is left to do; no longer than so many seconds."""
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            try:
                states = {job["state"] for job in self._jobs()}
            except httpx.TransportError:
                states = _UNFINISHED
            if running and "running" in states:
                return
            if not running and not states & _UNFINISHED:
                return
            time.sleep(_LOOK_SECONDS)

    def reindex(self, **request: object) -> None:
        """And wait until it is done, after whatever is under way. Raises GaveUp."""
        over = time.monotonic() + _JOB_SECONDS
        while time.monotonic() < over:
            self.wait_idle()
            with self._shop.servers[0].client() as client:
                answer = client.post(f"{_ADMIN}/reindex", json=request)
            if answer.status_code == 202:
                self.wait_idle()
                self._require_succeeded(answer.json()["job_id"])
                return
            if answer.status_code != 409:
                raise GaveUp(f"a reindex is refused: {answer.status_code} {answer.text}")
        raise GaveUp("no reindex in time")

    def wait_idle(self) -> None:
        """Until no job is to be done. Raises GaveUp."""
        over = time.monotonic() + _JOB_SECONDS
        while any(job["state"] in _UNFINISHED for job in self._jobs()):
            self._shop.worker.require_alive()
            if time.monotonic() > over:
                raise GaveUp(f"a job does not end: {self._jobs()[0]}")
            time.sleep(_LOOK_SECONDS)

    def note_jobs(self) -> None:
        """How jobs ended; none fails for anything but the deaths of its workers."""
        for job in self._jobs():
            self._tally.add(f"jobs {job['state']}")
            if job["state"] == "failed" and not (job["error"] or "").startswith("its worker died"):
                self._tally.violated("jobs", [f"{job['kind']} {job['request']}: {job['error']}"])

    def _ask(self, request: dict[str, Any] | None, chosen: float) -> None:
        server = self._shop.servers[int(chosen * 1000) % 2]
        try:
            with server.client() as client:
                if request is None:
                    answer = _activate(client, chosen)
                else:
                    answer = client.post(f"{_ADMIN}/reindex", json=request)
        except httpx.TransportError:
            self._tally.add("asked for a job, unanswered")
            return
        what = "rollbacks" if request is None else "reindexes"
        if answer.is_success:
            self._tally.add(f"{what} asked for")
        elif answer.status_code not in {404, 409, 503}:
            self._tally.violated(server.name, [f"{request}: {answer.status_code} {answer.text}"])

    def _require_succeeded(self, job_id: str) -> None:
        (job,) = (job for job in self._jobs() if job["id"] == job_id)
        if job["state"] != "succeeded":
            raise GaveUp(f"the reindex {job['state']}: {job['error']}")

    def _jobs(self) -> list[dict[str, Any]]:
        """Newest first, as one of the servers says. Raises TransportError."""
        up = [server for server in self._shop.servers if server.is_up]
        with (up or self._shop.servers)[0].client() as client:
            jobs: list[dict[str, Any]] = client.get("/v1/admin/jobs?limit=1000").json()
        return jobs


def _activate(client: httpx.Client, chosen: float) -> httpx.Response:
    """Raises TransportError."""
    versions = client.get(f"{_ADMIN}/versions")
    if not versions.is_success or not versions.json():
        return versions
    version = versions.json()[int(chosen * len(versions.json()))]
    return client.post(f"{_ADMIN}/versions/{version['name']}/activate")
