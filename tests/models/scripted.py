"""An encoder that does as a test tells it, and remembers what it was asked."""

import threading
import time
from collections.abc import Sequence

from models.batching.batch import Lane
from models.types import Embeddings, Pixels, Tokens
from tests.tiny_encoder import TinyEncoder


class ScriptedEncoder(TinyEncoder):
    """`hold()` makes forward passes wait for `release()`; `failures` are raised, one a pass."""

    def __init__(self, seconds_a_text: float = 0.0) -> None:
        super().__init__()
        self.batches: list[tuple[Lane, int]] = []
        """Kind and size of each forward pass, in order."""
        self.texts: list[str] = []
        """All that was encoded, in order."""
        self.failures: list[Exception] = []
        self._seconds_a_text = seconds_a_text
        self.started = threading.Semaphore(0)
        self._open = threading.Event()
        self._open.set()

    def forget(self) -> None:
        """What was asked so far, a warm-up for one."""
        self.batches, self.texts, self.started = [], [], threading.Semaphore(0)

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def encode_tokens(self, batch: Sequence[Tokens]) -> Embeddings:
        self._pass(Lane.TEXTS, len(batch))
        self.texts += ["".join(map(chr, tokens)) for tokens in batch]
        return super().encode_tokens(batch)

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        self._pass(Lane.IMAGES, len(batch))
        return super().encode_pixels(batch)

    def _pass(self, lane: Lane, size: int) -> None:
        self.batches.append((lane, size))
        self.started.release()
        assert self._open.wait(30), "a test forgot to release its encoder"
        time.sleep(self._seconds_a_text * size)
        if self.failures:
            raise self.failures.pop(0)
