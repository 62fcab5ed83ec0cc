"""An embedder over an encoder that a test holds: what the tests of batching share."""

import asyncio
import time
from collections.abc import Awaitable

from PIL import Image
from prometheus_client import CollectorRegistry

from models.batching.batcher import BatchLimits
from models.batching.embedder import LocalEmbedder
from models.batching.metrics import EncodeMetrics
from models.types import Embeddings
from tests.models.scripted import ScriptedEncoder

RED, BLUE = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))

UNHURRIED = BatchLimits(max_seconds=1000)
"""How long an encoder was held is no reason for small batches."""


class Stage:
    """An embedder over a scripted encoder."""

    def __init__(self, limits: BatchLimits = UNHURRIED) -> None:
        self.encoder = ScriptedEncoder()
        self.registry = CollectorRegistry()
        self.embedder = LocalEmbedder(self.encoder, EncodeMetrics(self.registry), limits)

    def ask(self, *texts: str, seconds: float = 20) -> asyncio.Task[Embeddings]:
        return asyncio.create_task(self.embedder.embed_texts(texts, time.monotonic() + seconds))

    def show(self, *images: Image.Image, seconds: float = 20) -> asyncio.Task[Embeddings]:
        return asyncio.create_task(self.embedder.embed_images(images, time.monotonic() + seconds))

    async def busy(self) -> asyncio.Task[Embeddings]:
        """A first request that holds the engine until `release`."""
        self.encoder.hold()
        first = self.ask("first")
        await asyncio.to_thread(self.encoder.started.acquire)
        return first

    def refused(self, reason: str) -> float | None:
        return self.registry.get_sample_value("noongil_encode_refused_total", {"reason": reason})


async def settled(*answers: Awaitable[Embeddings]) -> list[Embeddings | BaseException]:
    async with asyncio.timeout(20):
        return await asyncio.gather(*answers, return_exceptions=True)


async def queued() -> None:
    """Long enough for tasks that were just made to submit their work."""
    await asyncio.sleep(0.05)


TWIN = ScriptedEncoder()
