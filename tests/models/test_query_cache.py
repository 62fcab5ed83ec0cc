"""The same question is encoded once, and nobody gets another's answer or another's failure."""

import asyncio
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models.batching.embedder import LocalEmbedder
from models.batching.metrics import CacheMetrics, EncodeMetrics
from models.batching.query_cache import CachedEmbedder
from models.encoding import encode_texts
from models.errors import DeadlineExceeded, EncodingFailed, InvalidInput
from models.types import Embeddings
from tests.models.scripted import ScriptedEncoder

pytestmark = pytest.mark.anyio


class Stage:
    """A cache of three texts before a scripted encoder."""

    def __init__(self) -> None:
        self.encoder = ScriptedEncoder()
        self.registry = CollectorRegistry()
        inner = LocalEmbedder(self.encoder, EncodeMetrics(self.registry))
        self.cache = CachedEmbedder(inner, 3, CacheMetrics(self.registry))

    def ask(self, *texts: str, seconds: float = 20) -> asyncio.Task[Embeddings]:
        return asyncio.create_task(self.cache.embed_texts(texts, time.monotonic() + seconds))

    async def under_way(self, *texts: str) -> asyncio.Task[Embeddings]:
        self.encoder.hold()
        task = self.ask(*texts)
        await asyncio.to_thread(self.encoder.started.acquire)
        return task


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    stage.encoder.release()
    await stage.cache.close()


async def queued() -> None:
    await asyncio.sleep(0.05)


async def test_a_repeated_text_is_not_encoded_again(stage: Stage) -> None:
    first, second = await stage.ask("고양이"), await stage.ask("고양이")
    assert np.array_equal(first, second)
    assert stage.encoder.texts == ["고양이"]
    value = stage.registry.get_sample_value
    assert value("noongil_query_cache_total", {"result": "hit"}) == 1
    assert value("noongil_query_cache_total", {"result": "miss"}) == 1


async def test_only_what_is_new_is_encoded_and_the_order_is_kept(stage: Stage) -> None:
    await stage.ask("a", "b")
    found = await stage.ask("c", "b", "c", "a")
    assert stage.encoder.texts == ["a", "b", "c"]
    assert np.array_equal(found, encode_texts(ScriptedEncoder(), ["c", "b", "c", "a"]))


async def test_the_least_recently_used_is_forgotten(stage: Stage) -> None:
    await stage.ask("a", "b", "c")
    await stage.ask("a")
    await stage.ask("d")
    await stage.ask("a")
    await stage.ask("b")
    assert stage.encoder.texts == ["a", "b", "c", "d", "b"]


async def test_more_texts_than_the_cache_holds_are_all_answered(stage: Stage) -> None:
    texts = [f"text {n}" for n in range(10)]
    assert np.array_equal(await stage.ask(*texts), encode_texts(ScriptedEncoder(), texts))


async def test_identical_questions_under_way_are_joined(stage: Stage) -> None:
    first = await stage.under_way("a", "b")
    others = [stage.ask("a"), stage.ask("b", "c"), stage.ask("a", "b", "c")]
    await queued()
    stage.encoder.release()
    rows = await asyncio.gather(first, *others)
    assert sorted(stage.encoder.texts) == ["a", "b", "c"]
    assert np.array_equal(rows[3], encode_texts(ScriptedEncoder(), ["a", "b", "c"]))


async def test_one_who_leaves_does_not_take_the_answer_along(stage: Stage) -> None:
    first = await stage.under_way("a")
    other = stage.ask("a")
    await queued()
    first.cancel()
    await queued()
    stage.encoder.release()
    assert len(await other) == 1
    assert stage.encoder.texts == ["a"]


async def test_when_all_have_left_the_work_is_called_off(stage: Stage) -> None:
    holder = await stage.under_way("holder")
    waiters = [stage.ask("a"), stage.ask("a")]
    await queued()
    for waiter in waiters:
        waiter.cancel()
    await queued()
    stage.encoder.release()
    await holder
    assert stage.encoder.texts == ["holder"]
    assert len(await stage.ask("a")) == 1


async def test_a_failure_reaches_all_who_wait_and_is_not_remembered(stage: Stage) -> None:
    first = await stage.under_way("a")
    other = stage.ask("a")
    await queued()
    stage.encoder.failures = [ValueError("bad")]
    stage.encoder.release()
    outcomes = await asyncio.gather(first, other, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [EncodingFailed, EncodingFailed]
    assert len(await stage.ask("a")) == 1


async def test_who_has_time_left_asks_again_when_the_first_had_none(stage: Stage) -> None:
    hurried = stage.ask("a", seconds=0.2)
    stage.encoder.hold()
    patient = stage.ask("a", seconds=20)
    outcomes = await asyncio.gather(hurried, return_exceptions=True)
    assert isinstance(outcomes[0], DeadlineExceeded)
    stage.encoder.release()
    assert len(await patient) == 1


async def test_who_joins_with_less_time_does_not_wait_longer(stage: Stage) -> None:
    patient = await stage.under_way("a")
    hurried = await asyncio.gather(stage.ask("a", seconds=0.1), return_exceptions=True)
    assert isinstance(hurried[0], DeadlineExceeded)
    stage.encoder.release()
    assert len(await patient) == 1


async def test_a_bad_text_is_an_error_for_its_own_request_only(stage: Stage) -> None:
    outcomes = await asyncio.gather(stage.ask(" "), stage.ask("a"), return_exceptions=True)
    assert isinstance(outcomes[0], InvalidInput)
    assert isinstance(outcomes[1], np.ndarray)


async def test_another_ones_bad_text_is_not_ours(stage: Stage) -> None:
    outcomes = await asyncio.gather(
        stage.ask("a", " "), stage.ask("a"), stage.ask(" "), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [InvalidInput, np.ndarray, InvalidInput]


async def test_nothing_asked_is_nothing_answered(stage: Stage) -> None:
    assert (await stage.ask()).shape == (0, stage.encoder.spec.dim)
