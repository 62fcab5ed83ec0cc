"""The thread that keeps the device busy: it takes a batch, encodes it, answers everyone in it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from models.batching.batch import Batch, Lane
from models.batching.batcher import MicroBatcher
from models.errors import DeviceLost, EncoderAway, EncodingFailed, OutOfMemory
from models.types import Embeddings, Encoder

logger = logging.getLogger(__name__)

Forward = Callable[[Sequence[Any]], Embeddings]


class Engine:
    def __init__(self, encoder: Encoder, batcher: MicroBatcher) -> None:
        self._encoder = encoder
        self._batcher = batcher
        self._thread = threading.Thread(target=self._run, name="encode", daemon=True)
        self.lost: DeviceLost | None = None
        """Why the device cannot be used any more."""

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for the end of the work that the batcher had when it was closed."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while batch := self._batcher.take():
            try:
                started = time.monotonic()
                embeddings = self._encode(batch)
                self._batcher.observe(batch, time.monotonic() - started)
                batch.resolve(embeddings)
            except DeviceLost as error:
                self._give_up(batch, error)
                return
            except Exception as error:
                logger.exception("a batch of %d failed", len(batch.items), extra=batch.whose)
                reason = f"the encoder failed: {type(error).__name__}: {error}"
                batch.fail(partial(EncodingFailed, reason))

    def _give_up(self, batch: Batch, error: DeviceLost) -> None:
        logger.critical("the device is lost: %s", error)
        self.lost = error
        batch.fail(partial(DeviceLost, str(error)))
        self._batcher.abort(partial(EncoderAway, f"the encoder's device is lost: {error}"))

    def _encode(self, batch: Batch) -> Embeddings:
        payloads = [item.payload for item in batch.items]
        is_text = batch.lane is Lane.TEXTS
        forward: Forward = self._encoder.encode_tokens if is_text else self._encoder.encode_pixels
        embeddings = in_halves(forward, payloads)
        if embeddings.shape != (len(payloads), self._encoder.spec.dim):
            raise EncodingFailed(f"{embeddings.shape} came of {len(payloads)} inputs")
        if not np.isfinite(embeddings).all():
            raise EncodingFailed("the embeddings are not finite")
        return embeddings


def in_halves(forward: Forward, payloads: Sequence[Any]) -> Embeddings:
    """The whole batch at once, or as large a part as the device has memory for."""
    try:
        return forward(payloads)
    except OutOfMemory:
        if len(payloads) == 1:
            raise
        middle = len(payloads) // 2
        logger.warning("out of memory with %d at once: trying with %d", len(payloads), middle)
    halves = in_halves(forward, payloads[:middle]), in_halves(forward, payloads[middle:])
    return np.concatenate(halves)
