"""Every request gets its own answer, or an error, in time; whatever happens to its batch."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest
from PIL import Image

from models.batching import embedder as embedder_module
from models.batching.batch import Lane
from models.batching.batcher import BatchLimits
from models.encoding import encode_texts
from models.errors import (
    DeadlineExceeded,
    DeviceLost,
    EncoderAway,
    EncodingFailed,
    InvalidInput,
    ModelError,
    OutOfMemory,
    Overloaded,
)
from models.types import Pixels
from tests.models.stage import RED, TWIN, Stage, queued, settled

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    stage.encoder.release()
    await stage.embedder.close()


async def test_a_deadline_that_expires_in_the_queue_is_reported_and_costs_nothing(
    stage: Stage,
) -> None:
    first = await stage.busy()
    late, patient = stage.ask("late", seconds=0.1), stage.ask("patient")
    assert isinstance((await settled(late))[0], DeadlineExceeded)
    stage.encoder.release()
    assert all(isinstance(answer, np.ndarray) for answer in await settled(first, patient))
    assert "late" not in stage.encoder.texts


async def test_a_deadline_that_expires_in_the_batch_is_reported(stage: Stage) -> None:
    stage.encoder.hold()
    assert isinstance((await settled(stage.ask("late", seconds=0.1)))[0], DeadlineExceeded)


async def test_a_request_cancelled_in_the_queue_is_never_encoded(stage: Stage) -> None:
    first = await stage.busy()
    abandoned, patient = stage.ask("abandoned"), stage.ask("patient")
    await queued()
    abandoned.cancel()
    await queued()
    stage.encoder.release()
    answers = await settled(first, abandoned, patient)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert stage.encoder.texts == ["first", "patient"]
    assert stage.refused("abandoned") == 1


async def test_a_request_cancelled_in_mid_batch_leaves_the_others_their_answers(
    stage: Stage,
) -> None:
    first = await stage.busy()
    abandoned, patient = stage.ask("abandoned"), stage.ask("patient")
    await queued()
    stage.encoder.hold()
    first.cancel()
    stage.encoder.release()
    await asyncio.to_thread(stage.encoder.started.acquire)
    abandoned.cancel()
    answers = await settled(abandoned, patient)
    assert np.array_equal(answers[1], encode_texts(stage.encoder, ["patient"]))


async def test_an_encoder_that_raises_fails_its_batch_and_no_other(stage: Stage) -> None:
    first = await stage.busy()
    others = [stage.ask(f"text {n}") for n in range(5)]
    await queued()
    stage.encoder.failures = [ValueError("bad"), ValueError("worse")]
    stage.encoder.release()
    answers = await settled(first, *others)
    assert all(isinstance(answer, EncodingFailed) for answer in answers)
    assert len({id(answer) for answer in answers}) == len(answers)
    assert "bad" in str(answers[0])
    assert len(await stage.ask("again")) == 1


async def test_a_batch_too_large_for_the_memory_is_halved(stage: Stage) -> None:
    texts = [f"text {n}" for n in range(7)]
    stage.encoder.failures = [OutOfMemory("full"), OutOfMemory("full")]
    found = await stage.ask(*texts)
    assert [size for _, size in stage.encoder.batches] == [7, 3, 1, 2, 4]
    assert np.array_equal(found, encode_texts(TWIN, texts))


async def test_one_text_too_large_for_the_memory_is_an_error(stage: Stage) -> None:
    stage.encoder.failures = [OutOfMemory("full")]
    assert isinstance((await settled(stage.ask("a")))[0], EncodingFailed)
    assert len(await stage.ask("b")) == 1


async def test_a_lost_device_fails_all_and_stays_lost(stage: Stage) -> None:
    first = await stage.busy()
    others = [stage.ask(f"text {n}") for n in range(5)]
    await queued()
    stage.encoder.failures = [DeviceLost("illegal address")]
    stage.encoder.release()
    answers = await settled(first, *others)
    assert isinstance(answers[0], DeviceLost)
    assert all(isinstance(answer, EncoderAway) for answer in answers[1:])
    assert "illegal address" in str(stage.embedder.lost)
    assert isinstance((await settled(stage.ask("later")))[0], EncoderAway)


async def test_a_bad_text_fails_alone(stage: Stage) -> None:
    first = await stage.busy()
    bad, good = stage.ask("  "), stage.ask("good")
    await queued()
    stage.encoder.release()
    answers = await settled(first, bad, good)
    assert isinstance(answers[1], InvalidInput)
    assert isinstance(answers[2], np.ndarray)


async def test_what_cannot_be_answered_in_time_is_turned_away_at_once(stage: Stage) -> None:
    stage.embedder._batcher.pace[Lane.TEXTS].calibrate([(8, 1.0), (80, 10.0)])
    first = await stage.busy()
    queue = [stage.ask(f"t{n}", seconds=60) for n in range(10)]
    await queued()
    refused = (await settled(stage.ask("hurried", seconds=2)))[0]
    assert isinstance(refused, Overloaded)
    assert 9 < refused.retry_after < 12
    assert stage.refused("overloaded") == 1
    stage.encoder.release()
    assert all(isinstance(answer, np.ndarray) for answer in await settled(first, *queue))


async def test_who_has_left_keeps_nobody_out(stage: Stage) -> None:
    stage.embedder._batcher.pace[Lane.TEXTS].calibrate([(8, 1.0), (80, 10.0)])
    first = await stage.busy()
    queue = [stage.ask(f"t{n}", seconds=60) for n in range(10)]
    await queued()
    for task in queue:
        task.cancel()
    await queued()
    patient = stage.ask("patient", seconds=10)
    await queued()
    stage.encoder.release()
    answers = await settled(first, patient)
    assert all(isinstance(answer, np.ndarray) for answer in answers)
    assert stage.embedder._batcher._queued_work == {Lane.TEXTS: 0, Lane.IMAGES: 0}


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
async def test_vectors_that_are_no_numbers_are_an_error(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    rows = np.full((1, stage.encoder.spec.dim), wrong, np.float32)
    monkeypatch.setattr(stage.encoder, "encode_tokens", lambda _: rows)
    assert isinstance((await settled(stage.ask("a")))[0], EncodingFailed)


async def test_fewer_vectors_than_texts_are_an_error(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.ones((1, stage.encoder.spec.dim), np.float32)
    monkeypatch.setattr(stage.encoder, "encode_tokens", lambda _: rows)
    assert isinstance((await settled(stage.ask("a", "b")))[0], EncodingFailed)


async def test_deadlines_count_while_pictures_are_prepared(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()

    def prepare(_: Image.Image) -> Pixels:
        held.wait(20)
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(stage.encoder, "to_pixels", prepare)
    pictures = stage.show(*[RED] * 64, seconds=0.2)
    assert isinstance((await settled(pictures))[0], DeadlineExceeded)
    long_text = stage.ask("x" * 1000)
    assert isinstance((await settled(long_text))[0], np.ndarray)
    held.set()


async def test_a_wrong_estimate_turns_nobody_away_when_nothing_waits(stage: Stage) -> None:
    stage.embedder._batcher.pace[Lane.TEXTS].calibrate([(8, 1000.0), (80, 10_000.0)])
    assert len(await stage.ask("a", seconds=5)) == 1


async def test_the_queue_is_bounded_whatever_the_deadlines() -> None:
    stage = Stage(BatchLimits(max_queued=10, max_seconds=1000))
    first = await stage.busy()
    queue = [stage.ask(f"t{n}", seconds=1e6) for n in range(15)]
    await queued()
    stage.encoder.release()
    answers = await settled(first, *queue)
    assert sum(isinstance(answer, Overloaded) for answer in answers) == 5
    await stage.embedder.close()


async def test_closing_answers_what_was_admitted_and_refuses_the_rest(stage: Stage) -> None:
    first = await stage.busy()
    queue = [stage.ask(f"t{n}") for n in range(5)]
    await queued()
    closing = asyncio.create_task(stage.embedder.close())
    await queued()
    late = stage.ask("late")
    await queued()
    stage.encoder.release()
    await closing
    answers = await settled(first, *queue, late)
    assert all(isinstance(answer, np.ndarray) for answer in answers[:-1])
    assert isinstance(answers[-1], EncoderAway)


async def test_closing_does_not_wait_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedder_module, "_CLOSE_SECONDS", 0.1)
    first = await stage.busy()
    other = stage.ask("other")
    await queued()
    await stage.embedder.close()
    assert all(isinstance(answer, EncoderAway) for answer in await settled(first, other))


async def test_no_request_is_ever_left_without_an_answer() -> None:
    """A thousand requests: of any size, cancelled, late, failing; some refused by the device."""
    rng = random.Random(0)  # noqa: S311 - no secret
    stage = Stage(BatchLimits(max_texts=8, max_tokens=128, max_images=3, max_seconds=1000))

    async def one(number: int) -> str:
        await asyncio.sleep(rng.random() * 0.5)
        texts = [f"{number} {n} " + "x" * rng.randrange(20) for n in range(rng.randrange(1, 6))]
        seconds = rng.choice([0.001, 0.05, 20])
        task = (
            stage.show(*[RED] * len(texts))
            if number % 9 == 0
            else stage.ask(*texts, seconds=seconds)
        )
        if number % 7 == 0:
            await asyncio.sleep(rng.random() * 0.01)
            task.cancel()
        if number % 31 == 0:
            stage.encoder.failures.append(rng.choice([ValueError("bad"), OutOfMemory("full")]))
        try:
            found = await task
        except ModelError as error:
            return type(error).__name__
        except asyncio.CancelledError:
            return "cancelled"
        if number % 9 and not np.array_equal(found, encode_texts(TWIN, texts)):
            return "wrong"
        return "answered"

    async with asyncio.timeout(60):
        outcomes = await asyncio.gather(*(one(number) for number in range(1000)))
    assert "wrong" not in outcomes
    assert outcomes.count("answered") > 300
    assert {"cancelled", "DeadlineExceeded", "EncodingFailed"} <= set(outcomes)
    await stage.embedder.close()
