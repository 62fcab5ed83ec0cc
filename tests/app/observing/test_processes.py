"""What operators read of the three kinds of process, while they do what they are for."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.app.servers import ROOT, Process, free_port
from tests.app.uploads import png
from tests.waiting import until

SECRET = "비밀스러운"  # noqa: S105 - looked for in logs
ROW = re.compile(r"^\| `(noongil_\w+)(?:\{(.*)\})?` \| ([\w, ]+) \| .+ \|$", re.MULTILINE)


class Running(NamedTuple):
    encoder: Process
    serve: Process
    jobs: Process


@pytest.fixture
def processes(tmp_path: Path, kept: dict[str, object]) -> Iterator[Running]:
    """Whose logs are JSON. The server asks the encoder."""
    port = free_port()
    told: dict[str, Any] = {**kept, "log_format": "json", "access_log": True}
    told |= {"switch_wait_seconds": 0}
    with ExitStack() as stack:
        encoder = Process(tmp_path, "encoder", "--port", str(port), port=port, **told)
        stack.enter_context(encoder)
        told["encoder_url"] = encoder.url
        serve = stack.enter_context(Process(tmp_path, "serve", port=free_port(), **told))
        port = free_port()
        jobs = stack.enter_context(Process(tmp_path, "jobs", port=port, jobs_port=port, **told))
        running = Running(encoder, serve, jobs)
        for each in running:
            until(lambda each=each: each.answers(f"{each.url}/readyz"))
        yield running


def work(api: httpx.Client, photos: Path) -> str:
    """A search, a write, a refusal, a job, whose id is answered."""
    named = {"X-Request-Id": "order-7"}
    found = api.post("/collections/shop/search", json={"text": SECRET}, headers=named)
    assert found.status_code == 200, found.text
    assert api.get("/collections/shop/search", params={"q": SECRET}).status_code == 200
    put = api.put("/collections/shop/images/파랑", files={"file": png("blue")})
    assert put.status_code == 201, put.text
    refused = api.put("/collections/shop/images/broken", files={"file": b"\xff\xd8\xff"})
    assert refused.status_code == 422
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    job_id: str = api.post("/admin/collections/shop/reindex").json()["job_id"]
    until(lambda: api.get(f"/admin/jobs/{job_id}").json()["state"] == "succeeded")
    return job_id


def scraped(process: Process) -> dict[str, set[str]]:
    """Names of metrics, as they are sampled, and of their labels."""
    text = httpx.get(f"{process.url}/metrics").text
    found = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith("noongil_") and not family.name.endswith("_created"):
            labels = {name for sample in family.samples for name in sample.labels}
            suffix = "_total" if family.type == "counter" else ""
            found[family.name + suffix] = labels - {"le"}
    return found


def documented(kind: str) -> dict[str, set[str]]:
    table = ROW.findall((ROOT / "docs" / "observability.md").read_text())
    return {
        name: set(filter(None, labels.split(",")))
        for name, labels, of in table
        if kind in of.split(", ")
    }


def lines(process: Process) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.said().splitlines()]


def test_each_metric_is_documented_and_each_line_of_the_log_an_object(
    processes: Running, photos: Path
) -> None:
    with httpx.Client(base_url=f"{processes.serve.url}/v1", timeout=60) as api:
        job_id = work(api, photos)
    for kind, process in processes._asdict().items():
        found, table = scraped(process), documented(kind)
        assert found.keys() == table.keys(), kind
        shown = {name: labels for name, labels in found.items() if labels}
        assert shown.items() <= table.items(), kind
    for process in processes:
        process.tell_to_stop()
        process.end()
        assert SECRET not in process.said()
        for line in lines(process):
            assert {"time", "level", "logger", "message"} <= line.keys()
    requests = {line.get("request_id"): line for line in lines(processes.serve) if "route" in line}
    search = requests["order-7"]
    assert (search["status"], search["collection"]) == (200, "shop")
    assert (search["method"], search["route"]) == ("POST", "/v1/collections/{collection}/search")
    said = [line["message"] for line in lines(processes.serve)]
    assert any(message.startswith("Noongil is ready: http://") for message in said)
    of_job = [line["message"] for line in lines(processes.jobs) if line.get("job_id") == job_id]
    assert of_job[0] == f"job {job_id}: reindex of shop"
    assert of_job[-1] == f"job {job_id}: succeeded"


def test_so_it_is_with_several_processes_behind_a_port(
    tmp_path: Path, kept: dict[str, object]
) -> None:
    told: dict[str, Any] = {**kept, "log_format": "json", "access_log": True}
    with Process(tmp_path, "serve", "--workers", "2", port=free_port(), **told) as server:
        until(lambda: server.answers(f"{server.url}/readyz"))
        assert httpx.get(f"{server.url}/v1/collections").status_code == 200
        server.tell_to_stop()
        server.end()
    said = lines(server)
    assert sum("Started server process" in line["message"] for line in said) == 2
    assert [line["status"] for line in said if line.get("route") == "/v1/collections"] == [200]
