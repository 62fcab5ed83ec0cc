"""Each text is encoded once: recent answers are kept, identical questions under way are joined."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from models.batching.deadline import in_time
from models.batching.metrics import CacheMetrics
from models.errors import DeadlineExceeded, InvalidInput
from models.tracing import span, tell
from models.types import Embedder, Embeddings, EncoderSpec


@dataclass(eq=False)
class _Flight:
    """An encoding under way, and how many wait for it."""

    task: asyncio.Task[Embeddings]
    row_of: dict[str, int]
    waiters: int = 0


class CachedEmbedder:
    """An Embedder before another: an LRU cache of `capacity` texts, and single flight."""

    def __init__(self, inner: Embedder, capacity: int, metrics: CacheMetrics) -> None:
        self.inner = inner
        self._capacity = capacity
        self._metrics = metrics
        self._rows: OrderedDict[str, Embeddings] = OrderedDict()
        self._flights: dict[str, _Flight] = {}

    @property
    def spec(self) -> EncoderSpec:
        return self.inner.spec

    async def embed_texts(self, texts: Sequence[str], deadline: float) -> Embeddings:
        with span("encode", texts=len(texts)) as encoding:
            found = {text: row for text in texts if (row := self._look_up(text)) is not None}
            self._metrics.hits.inc(len(found))
            tell(encoding, cached=len(found))
            if len(texts) == len(found) == 1:
                return found[texts[0]][None]  # the usual case: a query that was asked before
            return await self._completed(found, texts, deadline)

    async def _completed(
        self, found: dict[str, Embeddings], texts: Sequence[str], deadline: float
    ) -> Embeddings:
        while missing := dict.fromkeys(text for text in texts if text not in found):
            flight = self._flights.get(next(iter(missing))) or self._take_off(missing, deadline)
            rows = await self._ride(flight, missing, deadline)
            if rows is not None:
                found |= {t: rows[n] for t, n in flight.row_of.items() if t in missing}
        return np.stack([found[text] for text in texts]) if texts else self._none()

    async def embed_images(self, images: Sequence[Image.Image], deadline: float) -> Embeddings:
        with span("encode", images=len(images)):
            return await self.inner.embed_images(images, deadline)

    async def close(self) -> None:
        await self.inner.close()

    def _look_up(self, text: str) -> Embeddings | None:
        row = self._rows.get(text)
        if row is not None:
            self._rows.move_to_end(text)
        return row

    def _take_off(self, missing: dict[str, None], deadline: float) -> _Flight:
        """One call for all that nobody else has asked for yet."""
        texts = [text for text in missing if text not in self._flights]
        self._metrics.misses.inc(len(texts))
        task = asyncio.create_task(self._fetch(texts, deadline))
        flight = _Flight(task, {text: row for row, text in enumerate(texts)})
        self._flights |= dict.fromkeys(texts, flight)
        task.add_done_callback(lambda _: self._land(flight))
        return flight

    async def _fetch(self, texts: list[str], deadline: float) -> Embeddings:
        rows = await self.inner.embed_texts(texts, deadline)
        self._rows.update(zip(texts, rows, strict=True))
        while len(self._rows) > self._capacity:
            self._rows.popitem(last=False)
        return rows

    async def _ride(
        self, flight: _Flight, missing: Collection[str], deadline: float
    ) -> Embeddings | None:
        """None where it failed for a reason that is not ours: its time, or a text of another's."""
        flight.waiters += 1
        try:
            return await in_time(asyncio.shield(flight.task), deadline)
        except DeadlineExceeded:
            if time.monotonic() >= deadline:
                raise
            return None
        except InvalidInput:
            if all(text in missing for text in flight.row_of):
                raise
            return None
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.task.done():
                self._land(flight)
                flight.task.cancel()

    def _land(self, flight: _Flight) -> None:
        for text in flight.row_of:
            if self._flights.get(text) is flight:
                del self._flights[text]
        if flight.task.done() and not flight.task.cancelled():
            flight.task.exception()  # retrieved: whoever waited has it, or nobody does

    def _none(self) -> Embeddings:
        return np.empty((0, self.spec.dim), np.float32)
