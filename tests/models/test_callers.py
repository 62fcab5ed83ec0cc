"""For whom a text is encoded: the worker's logs and spans name it, whatever comes over the wire."""

import asyncio
import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from models import tracing
from models.errors import EncodingFailed
from models.request_id import REQUEST_ID
from models.worker.callers import FIELD, Caller, as_fields, callers_in
from models.worker.client import EncoderClient
from models.worker.server import Address
from tests.models.scripted import ScriptedEncoder
from tests.models.test_worker import soon
from tests.models.workers import worker_on_a_thread

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

values = st.recursive(
    st.none() | st.integers() | st.text() | st.just(PARENT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
)


def test_callers_arrive_and_each_is_named_once() -> None:
    callers = [Caller("a", PARENT), Caller(), Caller("b"), Caller("b")]
    header = json.loads(json.dumps(as_fields(callers)))
    assert callers_in(header) == [Caller("a", PARENT), Caller("b")]


def test_who_names_nobody_sends_what_older_workers_know() -> None:
    assert as_fields([Caller(), Caller()]) == {}
    assert callers_in({}) == []


@given(values)
def test_whatever_comes_is_sane_or_left_out(named: object) -> None:
    for caller in callers_in({FIELD: named}):
        assert caller.request_id is None or len(caller.request_id) <= 64
        assert caller.traceparent is None or caller.traceparent.isascii()


@pytest.mark.anyio
async def test_a_batch_that_fails_is_logged_with_the_requests_in_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = ScriptedEncoder()
    with worker_on_a_thread(encoder, Address(uds=tmp_path / "encoder.sock")) as (url, _):
        client = EncoderClient(url)
        await client.open()
        encoder.failures = [ValueError("no such kernel")]
        REQUEST_ID.set("order-7")
        with pytest.raises(EncodingFailed), caplog.at_level(logging.ERROR):
            await client.embed_texts(["red"], soon())
        await client.close()
    (failed,) = [record for record in caplog.records if record.name == "models.batching.engine"]
    assert failed.__dict__["request_id"] == "order-7"


@pytest.mark.anyio
async def test_texts_of_several_requests_in_one_call_are_one_span_that_is_linked(
    tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    encoder = ScriptedEncoder()
    with worker_on_a_thread(encoder, Address(uds=tmp_path / "encoder.sock")) as (url, _):
        client = EncoderClient(url)
        await client.open()

        async def ask(text: str) -> None:
            with tracing.span("asks"):
                await client.embed_texts([text], soon())

        await asyncio.gather(ask("red"), ask("green"))
        await client.close()
    finished = spans.get_finished_spans()
    (batch,) = [span for span in finished if span.name == "encode batch"]
    asking = {span.context.span_id for span in finished if span.name == "asks"}
    assert batch.parent is not None
    assert {batch.parent.span_id, *(link.context.span_id for link in batch.links)} == asking
    assert batch.attributes is not None
    assert batch.attributes["noongil.batch"] == 2
