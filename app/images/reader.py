"""Picture files that clients send or name by URL: fetched and decoded, within bounds of memory,
threads and time, whatever becomes of them then.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from math import ceil, sqrt
from typing import TypeVar

import numpy as np
from fastapi import Request
from PIL import Image

from app.config import Settings
from app.errors import AtCapacity
from app.images.admission import Admission, Admitted
from app.metrics import Metrics
from indexer.errors import Rejected, RejectReason
from indexer.pictures.decode import Decoded, DecodeLimits, decode
from indexer.room import Room
from indexer.sources.web.fetch import fetcher_of
from models.errors import EncodingFailed
from models.types import Embedder, Embeddings

Made = TypeVar("Made")

_MIB = 1024**2

_FILES_BYTES = 256 * _MIB
_DECODING_BYTES = 512 * _MIB
_PICTURE_BYTES = 8 * _MIB
"""What waits for the encoder is reduced to about this, as what is sent to a worker is."""

_EXPECTED_BYTES = 4 * _MIB
"""Of a file, before it was fetched."""

_PATIENCE_SECONDS = 20.0
_FETCH_SECONDS = 30.0
"""A picture; with waiting for other fetches at most twice as long."""

_FETCHERS = 16

_NOT_ASKED = "only http and https URLs of public addresses, without a password, are fetched"


class PictureReader:
    """Used on one event loop, and by threads that it is handed to."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.admission = Admission(_FILES_BYTES, _PATIENCE_SECONDS)
        """For files under way: held from before one is read until nobody needs it any more."""
        self.max_body_bytes = settings.max_body_bytes
        self._max_bytes = min(settings.max_body_bytes, settings.max_image_bytes)
        self._limits = DecodeLimits(self._max_bytes, settings.max_image_pixels)
        self._rejected = metrics.rejected
        fetch = replace(settings.source_options().fetch, total_seconds=_FETCH_SECONDS)
        self._web = fetcher_of(fetch)
        cores = os.cpu_count() or 1
        self._decoding = threading.BoundedSemaphore(cores)
        self._room = Room(_DECODING_BYTES)
        self._threads = ThreadPoolExecutor(cores, "decode")
        self._fetchers = ThreadPoolExecutor(_FETCHERS, "fetch")

    def close(self) -> None:
        for threads in (self._threads, self._fetchers):
            threads.shutdown(wait=False, cancel_futures=True)
        self._web.close()

    def room_for(self, request: Request) -> AbstractAsyncContextManager[Admitted]:
        """For a request's body, and the picture in it, at most. Raises AtCapacity."""
        declared = request.headers.get("content-length", "")[:18]
        largest = self.max_body_bytes
        size = min(int(declared), largest) if declared.isdecimal() else largest
        return self.admission.holding(2 * size)

    @asynccontextmanager
    async def fetched(self, url: str) -> AsyncIterator[bytes]:
        """The file, which counts as under way meanwhile. Raises Rejected, AtCapacity."""
        async with self.admission.holding(_EXPECTED_BYTES) as held:
            data = await self._fetch(url)
            self.admission.resize(held, len(data))
            yield data

    def decoded(self, data: bytes, size: int) -> Decoded:
        """Blocking. Upright, in RGB, its shorter side at least `size` where the file's is, and
        bounded where it is far larger. Raises Rejected.
        """
        with self._counted(), self._decoding:
            decoded = decode(data, limits=self._limits, min_side_hint=size, room=self._room)
            excess = 3 * decoded.image.width * decoded.image.height / _PICTURE_BYTES
            if excess <= 1:
                return decoded
            return replace(decoded, image=decoded.image.reduce(ceil(sqrt(excess))))

    async def on_thread(self, function: Callable[..., Made], *given: object) -> Made:
        """On one of the threads that decode; who is cancelled goes when it is done."""
        return await outlived(self._threads.submit(function, *given))

    async def _fetch(self, url: str) -> bytes:
        fetching = self._fetchers.submit(self._fetched, url)
        try:
            async with asyncio.timeout(2 * _FETCH_SECONDS):
                return await asyncio.wrap_future(fetching)
        except TimeoutError:
            if fetching.cancelled():
                raise AtCapacity("too many URLs are being fetched") from None
            raise Rejected(RejectReason.FETCH_FAILED, "it did not come in time") from None

    def _fetched(self, url: str) -> bytes:
        with self._counted():
            try:
                return self._web.picture(url, self._max_bytes)
            except Rejected as rejected:
                if rejected.reason is not RejectReason.ADDRESS_REFUSED:
                    raise
                # Without its detail, which tells a stranger how names resolve in here.
                raise Rejected(rejected.reason, _NOT_ASKED) from None

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except Rejected as rejected:
            self._rejected.labels(rejected.reason.value).inc()
            raise


async def outlived(work: "Future[Made]") -> Made:
    """What a thread makes. Who is cancelled goes when the thread is done: until then the picture
    is in memory.
    """
    made = asyncio.wrap_future(work)
    try:
        return await asyncio.shield(made)
    except asyncio.CancelledError:
        if not work.cancel():
            await asyncio.wait([made])
        raise


async def embedding_of(embedder: Embedder, image: Image.Image, deadline: float) -> Embeddings:
    """Shape (1, dim), finite. Raises EncodingFailed where it is not, and what embedders raise."""
    rows = await embedder.embed_images([image], deadline)
    if not np.isfinite(rows).all():
        raise EncodingFailed(f"{embedder.spec.id} makes no numbers of this picture")
    return rows
