"""An encoder in this process and one behind a worker are the same to whoever asks."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prometheus_client import CollectorRegistry

from models.batching.embedder import LocalEmbedder
from models.batching.metrics import CacheMetrics, EncodeMetrics
from models.batching.query_cache import CachedEmbedder
from models.encoding import encode_images, encode_texts
from models.errors import DeadlineExceeded, EncodingFailed, InvalidInput, Overloaded
from models.regions.embedder import RegionEmbedder
from models.regions.encoder import RegionEncoder
from models.regions.schemes import Grid
from models.types import Embedder
from models.worker.client import EncoderClient
from models.worker.server import Address
from tests.models.scripted import ScriptedEncoder
from tests.models.workers import worker_on_a_thread

pytestmark = pytest.mark.anyio

PICTURES = [
    Image.new("RGB", (40, 30), "red"),
    Image.new("RGB", (1, 500), "blue"),
    Image.linear_gradient("L").convert("RGB"),
]


@pytest.fixture
def encoder(request: pytest.FixtureRequest) -> ScriptedEncoder:
    """A test's parameter is the seconds that a text takes."""
    return ScriptedEncoder(getattr(request, "param", 0.0))


@pytest.fixture(params=["in-process", "cached", "unix", "tcp"])
async def embedder(
    request: pytest.FixtureRequest, encoder: ScriptedEncoder, tmp_path: Path
) -> AsyncIterator[Embedder]:
    registry = CollectorRegistry()
    if request.param in {"in-process", "cached"}:
        local = LocalEmbedder(encoder, EncodeMetrics(registry))
        cached = CachedEmbedder(local, 100, CacheMetrics(registry))
        yield local if request.param == "in-process" else cached
        encoder.release()
        await local.close()
        return
    uds = tmp_path / "encoder.sock" if request.param == "unix" else None
    with worker_on_a_thread(encoder, Address(port=0, uds=uds)) as (url, _):
        client = EncoderClient(url)
        await client.open()
        encoder.forget()
        yield client
        encoder.release()
        await client.close()


def soon(seconds: float = 20) -> float:
    return time.monotonic() + seconds


async def test_the_spec_is_the_encoders(embedder: Embedder, encoder: ScriptedEncoder) -> None:
    assert embedder.spec == encoder.spec


async def test_texts(embedder: Embedder, encoder: ScriptedEncoder) -> None:
    texts = ["고양이", "a cat", "빨강", "🐈", "x" * 900]
    found = await embedder.embed_texts(texts, soon())
    assert found.dtype == np.float32
    assert np.array_equal(found, encode_texts(encoder, texts))


async def test_more_texts_than_a_call_takes(embedder: Embedder, encoder: ScriptedEncoder) -> None:
    texts = [f"text {n}" for n in range(1000)]
    found = await embedder.embed_texts(texts, soon())
    assert np.array_equal(found, encode_texts(encoder, texts))


async def test_images(embedder: Embedder, encoder: ScriptedEncoder) -> None:
    found = await embedder.embed_images(PICTURES * 5, soon())
    assert np.array_equal(found, encode_images(encoder, PICTURES * 5))


async def test_regions(embedder: Embedder, encoder: ScriptedEncoder) -> None:
    """What the API embeds is compared with what a run has embedded."""
    grid = Grid("grid", (0.4,), (3,))
    by_regions = RegionEncoder(encoder, grid)
    asked = RegionEmbedder(embedder, grid)
    assert asked.spec == by_regions.spec
    assert (await asked.embed_images([], soon())).shape == (0, by_regions.spec.row_dim)
    found = await asked.embed_images(PICTURES, soon())
    assert np.array_equal(found, encode_images(by_regions, PICTURES))


async def test_nothing_asked(embedder: Embedder) -> None:
    assert (await embedder.embed_texts([], soon())).shape == (0, embedder.spec.dim)
    assert (await embedder.embed_images([], soon())).shape == (0, embedder.spec.dim)


async def test_many_at_once_get_their_own(embedder: Embedder, encoder: ScriptedEncoder) -> None:
    texts = [f"query {n}" for n in range(300)]
    rows = await asyncio.gather(*(embedder.embed_texts([text], soon()) for text in texts))
    assert np.array_equal(np.concatenate(rows), encode_texts(encoder, texts))


async def test_what_queues_is_encoded_together(
    embedder: Embedder, encoder: ScriptedEncoder
) -> None:
    encoder.hold()
    asked = [asyncio.create_task(embedder.embed_texts([f"{n}"], soon())) for n in range(50)]
    await asyncio.sleep(0.2)
    encoder.release()
    await asyncio.gather(*asked)
    assert len(encoder.batches) <= 3


async def test_a_bad_text_fails_alone(embedder: Embedder) -> None:
    asked = [embedder.embed_texts([text], soon()) for text in ("good", " ", "better", "")]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [np.ndarray, InvalidInput, np.ndarray, InvalidInput]


async def test_a_failure_is_reported(embedder: Embedder, encoder: ScriptedEncoder) -> None:
    encoder.failures = [ValueError("bad weights")]
    with pytest.raises(EncodingFailed, match="bad weights"):
        await embedder.embed_texts(["a"], soon())
    assert len(await embedder.embed_texts(["a"], soon())) == 1


async def test_a_deadline_is_kept(embedder: Embedder, encoder: ScriptedEncoder) -> None:
    encoder.hold()
    with pytest.raises(DeadlineExceeded):
        await embedder.embed_texts(["a"], soon(0.2))
    encoder.release()
    assert len(await embedder.embed_texts(["b"], soon())) == 1


async def test_what_everyone_left_is_not_encoded(
    embedder: Embedder, encoder: ScriptedEncoder
) -> None:
    encoder.hold()
    holder = asyncio.create_task(embedder.embed_texts(["holder"], soon()))
    await asyncio.to_thread(encoder.started.acquire)
    abandoned = asyncio.create_task(embedder.embed_texts(["abandoned"], soon()))
    await asyncio.sleep(0.1)
    abandoned.cancel()
    await asyncio.sleep(0.1)
    encoder.release()
    await holder
    await embedder.embed_texts(["later"], soon())
    assert encoder.texts == ["holder", "later"]


@pytest.mark.parametrize("encoder", [0.02], indirect=True)
async def test_overload_is_said_at_once(embedder: Embedder) -> None:
    """At 20 ms a text a burst of 200 cannot be answered within a second."""
    for n in range(3):
        await embedder.embed_texts([f"before {n}"], soon())
    burst = [embedder.embed_texts([f"burst {n}"], soon(1)) for n in range(200)]
    outcomes = await asyncio.gather(*burst, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Overloaded)]
    assert len(refused) > 100
    assert all(error.retry_after > 0 for error in refused)
    assert sum(isinstance(outcome, np.ndarray) for outcome in outcomes) >= 3
    assert {type(outcome) for outcome in outcomes} <= {np.ndarray, Overloaded, DeadlineExceeded}


async def test_one_bad_text_costs_the_others_little(
    embedder: Embedder, encoder: ScriptedEncoder
) -> None:
    texts = [f"text {n}" for n in range(100)]
    asked = [embedder.embed_texts([text], soon()) for text in [*texts[:50], " ", *texts[50:]]]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in outcomes].count(InvalidInput) == 1
    assert [type(one) for one in outcomes].count(np.ndarray) == 100
    assert len(encoder.batches) <= 20


async def test_large_pictures_are_no_trouble(embedder: Embedder, encoder: ScriptedEncoder) -> None:
    """Together some 100 MB of pixels: more than a frame may hold."""
    pictures = [Image.new("RGB", (4000, 1500), "red"), Image.new("RGB", (1, 1), "blue")] * 6
    text = asyncio.create_task(embedder.embed_texts(["meanwhile"], soon()))
    found = await embedder.embed_images(pictures, soon())
    assert np.allclose(found, encode_images(encoder, pictures), atol=1e-3)
    assert len(await text) == 1
