"""The encoder of this process as an Embedder: CPU halves on threads, forward passes in batches."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from PIL import Image

from models.batching.batch import Lane
from models.batching.batcher import BatchLimits, MicroBatcher
from models.batching.deadline import in_time
from models.batching.engine import Engine
from models.batching.metrics import EncodeMetrics
from models.errors import DeviceLost, EncoderAway
from models.types import Embeddings, Encoder, EncoderSpec

_INLINE_CHARACTERS = 256
"""So little text is tokenized on the spot, in some 0.1 ms; a thread would take as long to ask."""

_SOME_TEXTS, _QUICK_SECONDS = 32, 0.05

_CLOSE_SECONDS = 10.0

Given = TypeVar("Given")
Made = TypeVar("Made")


class LocalEmbedder:
    """See `models.types.Embedder`."""

    def __init__(
        self,
        encoder: Encoder,
        metrics: EncodeMetrics,
        limits: BatchLimits | None = None,
    ) -> None:
        self._encoder = encoder
        self._batcher = MicroBatcher(encoder.spec.text_lengths, metrics, limits)
        self._engine = Engine(encoder, self._batcher)
        self._text_threads = ThreadPoolExecutor(2, thread_name_prefix="tokenize")
        self._image_threads = ThreadPoolExecutor(thread_name_prefix="to-pixels")
        self._engine.start()

    @property
    def spec(self) -> EncoderSpec:
        return self._encoder.spec

    @property
    def lost(self) -> DeviceLost | None:
        """Why the device cannot be used any more; None while it can."""
        return self._engine.lost

    def warm_up(self) -> None:
        """Blocking, before the first request: also measures what the queue's estimates rest on."""
        limits = self._batcher.limits
        largest = min(limits.max_texts, limits.max_tokens // self._encoder.spec.text_lengths[0])
        self._encoder.warm_up(limits.max_texts, limits.max_tokens)
        one, some = self._measured(1), self._measured(min(_SOME_TEXTS, largest))
        if some[1] < _QUICK_SECONDS:  # so few tell little of what many take
            some = self._measured(largest)
        self._batcher.pace[Lane.TEXTS].calibrate([one, some])

    def pace(self) -> list[tuple[float, float]]:
        """Seconds that one short text takes, and a full batch of them, as far as is known."""
        shortest, pace = self._encoder.spec.text_lengths[0], self._batcher.pace[Lane.TEXTS]
        sizes = (1, self._batcher.limits.max_texts)
        return [(texts, pace.seconds(texts * shortest)) for texts in sizes]

    async def embed_texts(self, texts: Sequence[str], deadline: float) -> Embeddings:
        if not texts:
            return self._none()
        if sum(map(len, texts)) <= _INLINE_CHARACTERS:
            tokens = self._encoder.tokenize(texts)
            return await in_time(self._batcher.submit_texts(tokens, deadline), deadline)

        async def embed() -> Embeddings:
            tokens = await _on_thread(self._text_threads, self._encoder.tokenize, texts)
            return await self._batcher.submit_texts(tokens, deadline)

        return await in_time(embed(), deadline)

    async def embed_images(self, images: Sequence[Image.Image], deadline: float) -> Embeddings:
        if not images:
            return self._none()

        async def embed() -> Embeddings:
            pixels = await asyncio.gather(
                *(_on_thread(self._image_threads, self._encoder.to_pixels, one) for one in images)
            )
            return await self._batcher.submit_images(pixels, deadline)

        return await in_time(embed(), deadline)

    def stop(self) -> None:
        """Take no more work. The engine's thread ends when what was admitted is answered."""
        self._batcher.close(_stopped)

    async def close(self) -> None:
        """Answers what was admitted, for so long; then fails what is left."""
        self.stop()
        if not await asyncio.to_thread(self._engine.join, _CLOSE_SECONDS):
            self._batcher.abort(_stopped)
        self._text_threads.shutdown(wait=False, cancel_futures=True)
        self._image_threads.shutdown(wait=False, cancel_futures=True)

    def _measured(self, texts: int) -> tuple[float, float]:
        """Padded tokens of so many short texts, and the seconds that they take."""
        tokens = self._encoder.tokenize(["ready"]) * texts
        started = time.monotonic()
        self._encoder.encode_tokens(tokens)
        return texts * self._encoder.spec.text_lengths[0], time.monotonic() - started

    def _none(self) -> Embeddings:
        return np.empty((0, self.spec.dim), np.float32)


async def _on_thread(
    threads: ThreadPoolExecutor, function: Callable[[Given], Made], argument: Given
) -> Made:
    loop = asyncio.get_running_loop()
    try:
        future = loop.run_in_executor(threads, function, argument)
    except RuntimeError as error:  # the threads were shut down
        raise _stopped() from error
    return await future


def _stopped() -> EncoderAway:
    return EncoderAway("the encoder is stopping")
