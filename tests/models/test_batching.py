"""What queues together is encoded together, in the right order and size, and answered rightly."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from models.batching.batch import Lane
from models.batching.batcher import BatchLimits
from models.encoding import encode_images, encode_texts
from tests.models.stage import BLUE, RED, Stage, queued, settled

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    stage.encoder.release()
    await stage.embedder.close()


async def test_a_lone_request_goes_at_once(stage: Stage) -> None:
    found = await stage.ask("고양이", "cat")
    assert np.array_equal(found, encode_texts(stage.encoder, ["고양이", "cat"]))
    assert stage.encoder.batches[0] == (Lane.TEXTS, 2)


async def test_what_queues_while_the_device_is_busy_becomes_one_batch(stage: Stage) -> None:
    first = await stage.busy()
    others = [stage.ask(f"text {n}") for n in range(20)]
    await queued()
    stage.encoder.release()
    answers = await settled(first, *others)
    assert stage.encoder.batches == [(Lane.TEXTS, 1), (Lane.TEXTS, 20)]
    expected = encode_texts(stage.encoder, ["first", *(f"text {n}" for n in range(20))])
    assert np.array_equal(np.concatenate(answers), expected)


async def test_a_batch_closes_at_its_number_of_texts() -> None:
    stage = Stage(BatchLimits(max_texts=4, max_seconds=1000))
    first = await stage.busy()
    others = [stage.ask("a", "b", "c") for _ in range(3)]
    await queued()
    stage.encoder.release()
    assert all(len(rows) == 3 for rows in (await settled(first, *others))[1:])
    assert [size for _, size in stage.encoder.batches] == [1, 4, 4, 1]
    await stage.embedder.close()


async def test_a_batch_closes_at_its_number_of_padded_tokens() -> None:
    stage = Stage(BatchLimits(max_tokens=64, max_seconds=1000))
    first = await stage.busy()
    others = [stage.ask("x" * 12) for _ in range(6)]  # padded to 16
    await queued()
    stage.encoder.release()
    await settled(first, *others)
    assert [size for _, size in stage.encoder.batches] == [1, 4, 2]
    await stage.embedder.close()


async def test_a_text_longer_than_a_batch_goes_alone() -> None:
    stage = Stage(BatchLimits(max_tokens=64, max_seconds=1000))
    assert len(await stage.ask("x" * 200)) == 1
    await stage.embedder.close()


async def test_a_backlog_is_sorted_by_length_and_the_oldest_is_never_left() -> None:
    stage = Stage(BatchLimits(max_texts=3, max_seconds=1000))
    first = await stage.busy()
    texts = ["long text number one", "s1", "long text number two", "s2", "s3", "s4"]
    others = [stage.ask(text) for text in texts]
    await queued()
    stage.encoder.release()
    await settled(first, *others)
    first_batch, second_batch = stage.encoder.texts[1:4], stage.encoder.texts[4:7]
    assert first_batch == ["long text number one", "s1", "long text number two"]
    assert second_batch == ["s2", "s3", "s4"]
    await stage.embedder.close()


async def test_short_texts_do_not_travel_with_long_ones_in_a_backlog() -> None:
    stage = Stage(BatchLimits(max_texts=2, max_seconds=1000))
    first = await stage.busy()
    others = [stage.ask(text) for text in ("s1", "long text number one", "s2", "s3")]
    await queued()
    stage.encoder.release()
    await settled(first, *others)
    assert stage.encoder.texts[1:] == ["s1", "s2", "long text number one", "s3"]
    await stage.embedder.close()


async def test_texts_go_before_images(stage: Stage) -> None:
    first = await stage.busy()
    image = stage.show(RED)
    await queued()
    text = stage.ask("later")
    await queued()
    stage.encoder.release()
    await settled(first, image, text)
    assert [lane for lane, _ in stage.encoder.batches] == [Lane.TEXTS, Lane.TEXTS, Lane.IMAGES]


async def test_images_are_not_starved_by_texts() -> None:
    stage = Stage(BatchLimits(max_texts=1, max_seconds=1000))
    first = await stage.busy()
    image = stage.show(RED)
    await queued()
    texts = [stage.ask(f"t{n}") for n in range(40)]
    await queued()
    stage.encoder.release()
    await settled(first, image, *texts)
    assert [lane for lane, _ in stage.encoder.batches].index(Lane.IMAGES) < 12
    await stage.embedder.close()


async def test_images_are_encoded_as_by_the_encoder_itself(stage: Stage) -> None:
    found = await stage.show(RED, BLUE)
    assert np.array_equal(found, encode_images(stage.encoder, [RED, BLUE]))


async def test_image_batches_shrink_where_the_device_is_slow() -> None:
    stage = Stage(BatchLimits(max_seconds=0.5))
    stage.embedder._batcher.pace[Lane.IMAGES].calibrate([(1, 0.1), (10, 1.0)])
    await stage.show(*[RED] * 10)
    assert stage.encoder.batches[0] == (Lane.IMAGES, 5)
    await stage.embedder.close()


async def test_text_batches_shrink_where_the_device_is_slow() -> None:
    stage = Stage(BatchLimits(max_seconds=0.5))
    stage.embedder._batcher.pace[Lane.TEXTS].calibrate([(8, 0.1), (80, 1.0)])
    await stage.ask(*(f"text {n}" for n in range(10)))
    assert stage.encoder.batches[0] == (Lane.TEXTS, 5)
    await stage.embedder.close()


async def test_nothing_asked_is_nothing_answered(stage: Stage) -> None:
    dim = stage.encoder.spec.dim
    assert (await stage.ask()).shape == (await stage.show()).shape == (0, dim)


async def test_a_picture_after_much_text_still_comes_last(stage: Stage) -> None:
    for n in range(9):
        await stage.ask(f"t{n}")
    first = await stage.busy()
    image = stage.show(RED)
    await queued()
    text = stage.ask("text")
    await queued()
    stage.encoder.release()
    await settled(first, image, text)
    assert [lane for lane, _ in stage.encoder.batches][-2:] == [Lane.TEXTS, Lane.IMAGES]


async def test_a_warm_up_teaches_the_queue_what_to_expect(stage: Stage) -> None:
    await asyncio.to_thread(stage.embedder.warm_up)
    assert stage.embedder._batcher.pace[Lane.TEXTS].seconds(8) > 0


async def test_metrics_say_what_was_done(stage: Stage) -> None:
    first = await stage.busy()
    others = [stage.ask("a"), stage.ask("b", "c")]
    await queued()
    stage.encoder.release()
    await settled(first, *others)
    value = stage.registry.get_sample_value
    assert value("noongil_encode_tokens_total") == 4 * 8
    assert value("noongil_encode_batch_size_sum", {"kind": "text"}) == 4
    assert value("noongil_encode_batch_size_count", {"kind": "text"}) == 2
    assert value("noongil_encode_queue_seconds_count") == 3
