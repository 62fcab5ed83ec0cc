"""Jobs as a client asks for them, follows them and cancels them."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from tests.app.jobs.workers import REINDEX, do, shown, submit, worker_of
from tests.app.shop import (
    assert_problem,
    index,
    opened,
    paint,
    refresh,
    search,
    served,
    take_away_database,
)
from tests.tiny_encoder import TinyEncoder
from tests.waiting import until


def test_a_job_waits_for_a_worker_and_what_it_published_is_found(
    shop: TestClient, settings: Settings, photos: Path
) -> None:
    paint(photos / "gold.png", "gold")
    job_id = submit(shop)
    waiting = shown(shop, job_id)
    assert waiting == waiting | {
        "id": job_id,
        "collection": "shop",
        "kind": "reindex",
        "state": "queued",
        "stage": None,
        "done": 0,
        "total": None,
        "error": None,
        "request": {},
        "result": None,
        "attempts": 0,
        "started_at": None,
        "finished_at": None,
    }
    with worker_of(settings) as worker:
        taken = worker._queue.take()
        assert taken == job_id
        worker.do(taken)
    done = shown(shop, job_id)
    assert (done["state"], done["attempts"], done["error"]) == ("succeeded", 1, None)
    assert done["result"]["embedded"] == 1
    assert done["result"]["published"]
    assert done["created_at"] <= done["started_at"] <= done["finished_at"]
    refresh(shop)
    assert search(shop, text="gold", k=1) == ["gold.png"]


def test_a_request_names_source_model_index_and_recall(
    shop: TestClient, settings: Settings, other_photos: Path
) -> None:
    asked = {"source": str(other_photos), "model": "tiny:2", "index": "flat", "recall": 0.9}
    job_id = submit(shop, **asked)
    assert shown(shop, job_id)["request"] == asked
    do(settings, job_id)
    assert shown(shop, job_id)["result"]["total"] == 4
    view = shop.get("/v1/collections/shop").json()
    assert (view["model"], view["recall"]) == ("tiny:2", 0.9)


@pytest.mark.parametrize(
    ("request_", "code", "named"),
    [
        ({"sources": "x"}, "invalid_request", "sources"),
        ({"source": ""}, "invalid_request", "source"),
        ({"source": "ftp://x/y.csv"}, "invalid_request", "source"),
        ({"source": "a\0b"}, "invalid_request", "source"),
        ({"recall": 0}, "invalid_request", "recall"),
        ({"index": "best"}, "invalid_request", "index"),
        ({"model": "tiny:none"}, "unknown_model", "tiny:none"),
        ({"model": "nothing:at-all"}, "unknown_model", "nothing"),
    ],
)
def test_what_cannot_be_done_is_refused_and_queues_nothing(
    shop: TestClient, request_: dict[str, Any], code: str, named: str
) -> None:
    assert named in assert_problem(shop.post(REINDEX, json=request_), 422, code)
    assert shop.get("/v1/admin/jobs").json() == []


def test_what_is_not_there_is_named(shop: TestClient) -> None:
    assert_problem(shop.post("/v1/admin/collections/none/reindex"), 404, "unknown_collection")
    for path in ("", "/events"):
        assert_problem(shop.get(f"/v1/admin/jobs/none{path}"), 404, "unknown_job")
    assert_problem(shop.post("/v1/admin/jobs/none/cancel"), 404, "unknown_job")
    assert_problem(
        shop.get("/v1/admin/jobs", params={"collection": "none"}), 404, "unknown_collection"
    )


def test_of_two_calls_at_once_one_is_told_of_the_others_job(shop: TestClient) -> None:
    together = threading.Barrier(4)

    def call(_: int) -> httpx.Response:
        together.wait()
        return shop.post(REINDEX)

    with ThreadPoolExecutor(4) as callers:
        answers = sorted(callers.map(call, range(4)), key=lambda answer: answer.status_code)
    accepted, *refused = answers
    assert accepted.status_code == 202
    for answer in refused:
        assert_problem(answer, 409, "job_running")
        assert answer.json()["job_id"] == accepted.json()["job_id"]
        assert answer.headers["location"] == accepted.headers["location"]
    assert len(shop.get("/v1/admin/jobs").json()) == 1


def test_a_queued_job_is_cancelled_at_once_and_never_done(
    shop: TestClient, settings: Settings
) -> None:
    job_id = submit(shop)
    answer = shop.post(f"/v1/admin/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    do(settings, job_id)
    assert shown(shop, job_id)["state"] == "cancelled"
    assert_problem(shop.post(f"/v1/admin/jobs/{job_id}/cancel"), 409, "job_finished")
    assert submit(shop) != job_id


def test_jobs_are_listed_newest_first_by_collection_and_state(
    shop: TestClient, settings: Settings, photos: Path
) -> None:
    index(settings, photos, "depot")
    first = submit(shop)
    do(settings, first)
    second = submit(shop)
    depot = shop.post("/v1/admin/collections/depot/reindex").json()["job_id"]

    def ids(**params: object) -> list[str]:
        response = shop.get("/v1/admin/jobs", params=params)
        return [job["id"] for job in response.json()]

    assert ids() == [depot, second, first]
    assert ids(collection="shop") == [second, first]
    assert ids(collection="shop", state="queued") == [second]
    assert ids(limit=1) == [depot]
    assert_problem(shop.get("/v1/admin/jobs", params={"state": "lost"}), 422, "invalid_request")


def test_jobs_go_with_their_collection(shop: TestClient) -> None:
    job_id = submit(shop)
    assert shop.delete("/v1/collections/shop").status_code == 204
    assert_problem(shop.get(f"/v1/admin/jobs/{job_id}"), 404, "unknown_job")


def read_events(client: httpx.Client, job_id: str, begun: threading.Event) -> list[dict[str, Any]]:
    """Until the server ends the stream."""
    events = []
    with client.stream("GET", f"/v1/admin/jobs/{job_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in stream.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            else:
                events.append(fields | {"data": json.loads(fields["data"])})
                fields = {}
                begun.set()
    return events


def test_events_tell_a_job_from_its_first_state_to_its_last(
    settings: Settings, photos: Path
) -> None:
    index(settings, photos)
    begun = threading.Event()
    with served(settings) as client, ThreadPoolExecutor(1) as reader:
        job_id = submit(client)
        reading = reader.submit(read_events, client, job_id, begun)
        assert begun.wait(30)
        do(settings, job_id)
        events = reading.result(30)
        assert events[-1]["data"] == shown(client, job_id)
        again = read_events(client, job_id, begun)
    assert [event["event"] for event in events] == ["job"] * len(events)
    assert [event["id"] for event in events] == [str(n) for n in range(len(events))]
    assert events[0]["data"]["state"] == "queued"
    assert events[-1]["data"]["state"] == "succeeded"
    assert [event["data"] for event in again] == [events[-1]["data"]]


def lines(client: TestClient, metric: str) -> list[str]:
    return [line for line in client.get("/metrics").text.splitlines() if line.startswith(metric)]


def test_metrics_show_what_waits_and_how_far_is_what_runs(
    shop: TestClient, settings: Settings, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lines(shop, "noongil_jobs{") == [
        'noongil_jobs{state="queued"} 0.0',
        'noongil_jobs{state="running"} 0.0',
    ]
    paint(photos / "gold.png", "gold")
    seen: list[str] = []

    def encode(encoder: Any, batch: Any) -> Any:
        until(lambda: bool(lines(shop, 'noongil_job_progress{collection="shop"')))
        seen.extend(lines(shop, "noongil_job"))
        return original(encoder, batch)

    original = TinyEncoder.encode_pixels
    monkeypatch.setattr(TinyEncoder, "encode_pixels", encode)
    job_id = submit(shop)
    assert 'noongil_jobs{state="queued"} 1.0' in lines(shop, "noongil_jobs{")
    do(settings, job_id)
    assert 'noongil_jobs{state="running"} 1.0' in seen
    (progress,) = (line for line in seen if line.startswith("noongil_job_progress"))
    assert 'kind="reindex"' in progress
    assert 0.0 <= float(progress.split()[-1]) <= 1.0
    assert not lines(shop, "noongil_job_progress{")


def test_a_job_that_failed_is_told_of_until_the_next_is_asked_for(
    shop: TestClient, settings: Settings, photos: Path
) -> None:
    source = photos.rename(photos.with_name("elsewhere"))
    do(settings, submit(shop))
    failed = 'noongil_job_failed{collection="shop",kind="reindex"} 1.0'
    assert lines(shop, "noongil_job_failed{") == [failed]
    source.rename(photos)
    job_id = submit(shop)
    assert not lines(shop, "noongil_job_failed{")
    do(settings, job_id)
    assert not lines(shop, "noongil_job_failed{")


@pytest.fixture
def client_alone(settings: Settings) -> Iterator[TestClient]:
    with opened(settings) as client:
        yield client


def test_metrics_are_there_though_the_database_is_not(
    client_alone: TestClient, settings: Settings
) -> None:
    take_away_database(client_alone, settings.database_url)
    assert client_alone.get("/metrics").status_code == 200
    assert not lines(client_alone, "noongil_jobs{")
