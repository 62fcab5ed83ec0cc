"""One trace tells of a search, through every process that had a part in it."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.observing import tracing
from tests.app.observing.collector import Collector, Span, collecting
from tests.app.servers import ROOT, Process, free_port
from tests.waiting import until

SEARCH = "/v1/collections/shop/search"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture(autouse=True)
def _in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")


def is_child(span: Span, parent: Span) -> bool:
    return (span.trace_id, span.parent_id) == (parent.trace_id, parent.span_id)


def searched(server: Process, collector: Collector) -> None:
    until(lambda: server.answers(f"{server.url}/readyz"))
    answer = httpx.get(
        f"{server.url}{SEARCH}",
        params={"q": "빨간 비밀", "k": 1},
        headers={
            "traceparent": f"00-{TRACE}-{PARENT}-01",
            "X-Request-Id": "order-7",
            "Authorization": "Bearer ng_secret",
        },
    )
    assert answer.status_code == 200, answer.text
    until(lambda: collector.named("encode batch") and collector.named("rows"))


def test_a_search_is_one_trace_from_the_caller_to_the_encoder(
    tmp_path: Path, kept: dict[str, object]
) -> None:
    port, encoder_port = free_port(), free_port()
    with (
        collecting() as collector,
        Process(
            tmp_path,
            "encoder",
            "--port",
            str(encoder_port),
            port=encoder_port,
            otlp_endpoint=collector.url,
        ) as encoder,
        Process(
            tmp_path,
            "serve",
            port=port,
            encoder_url=encoder.url,
            otlp_endpoint=collector.url,
            **kept,
        ) as server,
    ):
        searched(server, collector)
        until(lambda: collector.named(f"GET {SEARCH.replace('shop', '{collection}')}"))
    request = collector.one("GET /v1/collections/{collection}/search")
    assert (request.service, request.trace_id, request.parent_id) == ("noongil-api", TRACE, PARENT)
    assert request.attributes["noongil.request_id"] == "order-7"
    for name in ("normalize", "encode", "index.search", "rows"):
        assert collector.named(name), name
        assert all(is_child(span, request) for span in collector.named(name)), name
    batch = collector.one("encode batch")
    assert batch.service == "noongil-encoder"
    assert is_child(batch, collector.one("encode"))
    assert batch.attributes["noongil.batch"] == 1
    assert batch.attributes["noongil.queue_ms"] >= 0
    assert collector.one("encode").attributes == {"noongil.texts": 1, "noongil.cached": 0}
    found = collector.named("index.search")[0].attributes
    assert (found["noongil.k"], found["noongil.filter"]) == (2, False)
    assert found["noongil.version"]
    assert not [span for span in collector.spans if "readyz" in span.name]
    for secret in ("비밀", "ng_secret", "%EB%B9%84"):
        assert secret.encode() not in collector.received


def test_a_server_told_to_stop_sends_its_last_spans(
    tmp_path: Path, kept: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")
    port = free_port()
    with (
        collecting() as collector,
        Process(tmp_path, "serve", port=port, otlp_endpoint=collector.url, **kept) as server,
    ):
        until(lambda: server.answers(f"{server.url}/readyz"))
        assert httpx.get(f"{server.url}/v1/collections").status_code == 200
        server.tell_to_stop()
        server.end()
        assert collector.one("GET /v1/collections").attributes["http.response.status_code"] == 200


def test_without_an_endpoint_the_sdk_is_not_loaded() -> None:
    code = "import sys, app.cli; print('opentelemetry.sdk' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert ran.stdout.strip() == b"False"


def test_an_endpoint_without_the_extra_is_a_line(tmp_path: Path, kept: dict[str, object]) -> None:
    missing = tmp_path / "opentelemetry_sdk_is_missing.py"
    missing.write_text(
        "import sys\nsys.modules['opentelemetry.sdk'] = None\nfrom app.cli import main\nmain()\n"
    )
    settings = {"otlp_endpoint": "http://127.0.0.1:9", **kept}
    environment = {f"NOONGIL_{name.upper()}": str(value) for name, value in settings.items()}
    ran = subprocess.run(
        [sys.executable, missing, "serve"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: ")
    assert "install noongil[traces]" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_nothing_is_flushed_where_there_are_no_traces() -> None:
    tracing.flush()
