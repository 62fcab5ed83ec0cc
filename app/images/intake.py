"""From a file, or the URL of one, to a Put: fetched, decoded, stored, embedded."""

import asyncio
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.config import Settings
from app.embedders import Embedders
from app.errors import AtCapacity, NotReady, StorageFailed
from app.images.admission import Admission
from app.images.uploads import Upload
from app.metrics import Metrics
from indexer.attributes import Attributes
from indexer.catalog.db import Database
from indexer.catalog.tables import API_SOURCE, Collection
from indexer.errors import Rejected, RejectReason, UnknownCollection
from indexer.layout import CollectionFolder
from indexer.live.picture_store import PictureStore
from indexer.live.writes import Picture, Put, embedded
from indexer.pictures.decode import Decoded, DecodeLimits, decode
from indexer.room import Room
from indexer.sources.web.fetch import fetcher_of
from models.errors import DeadlineExceeded, EncoderAway, EncodingFailed
from models.types import Embedder

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

_THREADS = 32
"""Pictures that wait for the encoder: a full batch."""
_FETCHERS = 16

_NOT_ASKED = "only http and https URLs of public addresses, without a password, are fetched"


@dataclass(frozen=True, slots=True)
class NewImage:
    """A picture that is to be put; `attributes` None: those that the image has stay."""

    key: str
    uri: str
    data: bytes
    attributes: Attributes | None


class Intake:
    """Used on one event loop; the work is done on threads of its own."""

    def __init__(
        self, settings: Settings, database: Database, embedders: Embedders, metrics: Metrics
    ) -> None:
        self.admission = Admission(_FILES_BYTES, _PATIENCE_SECONDS)
        """For files under way: held from before one is read until it is prepared."""
        self.max_body_bytes = settings.max_body_bytes
        self._max_bytes = min(settings.max_body_bytes, settings.max_image_bytes)
        self._data_dir = settings.data_dir
        self._embed_seconds = settings.image_timeout_seconds
        self._limits = DecodeLimits(self._max_bytes, settings.max_image_pixels)
        self._database = database
        self._embedders = embedders
        self._rejected = metrics.rejected
        fetch = replace(settings.source_options().fetch, total_seconds=_FETCH_SECONDS)
        self._web = fetcher_of(fetch)
        self._decoding = threading.BoundedSemaphore(os.cpu_count() or 1)
        self._room = Room(_DECODING_BYTES)
        self._threads = ThreadPoolExecutor(_THREADS, "prepare")
        self._fetchers = ThreadPoolExecutor(_FETCHERS, "fetch")

    def close(self) -> None:
        for threads in (self._threads, self._fetchers):
            threads.shutdown(wait=False, cancel_futures=True)

    async def put(self, owner: Collection, key: str, upload: Upload) -> Put:
        """Raises Rejected, AtCapacity, UnknownCollection, NotReady, StorageFailed, ModelError."""
        if upload.url is None:
            new = NewImage(key, API_SOURCE + key, upload.data or b"", upload.attributes)
            return await self.prepare(owner, new)
        async with self.admission.holding(_EXPECTED_BYTES) as held:
            data = await self._fetch(upload.url)
            self.admission.resize(held, len(data))
            return await self.prepare(owner, NewImage(key, upload.url, data, upload.attributes))

    async def prepare(self, owner: Collection, new: NewImage) -> Put:
        """Raises Rejected, UnknownCollection, NotReady, StorageFailed, ModelError.

        Who is cancelled goes when the thread is done: until then the picture is in memory.
        """
        loop = asyncio.get_running_loop()
        work = self._threads.submit(self._prepare, owner, new, loop)
        prepared = asyncio.wrap_future(work)
        try:
            return await asyncio.shield(prepared)
        except asyncio.CancelledError:
            if not work.cancel():
                await asyncio.wait([prepared])
            raise

    def stored(self, owner: Collection, content_hash: str) -> bytes:
        """Blocking. Raises Rejected: gone, unreadable, corrupt."""
        return self._store(owner).read(content_hash)

    def forget(self, owner: Collection) -> None:
        """What was stored for a collection after it was deleted."""
        shutil.rmtree(CollectionFolder.of(self._data_dir, owner).root, ignore_errors=True)

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

    def _prepare(self, owner: Collection, new: NewImage, loop: asyncio.AbstractEventLoop) -> Put:
        current = self._current(owner)
        embedder = self._embedder_of(current)
        with self._counted():
            decoded = self._decoded(new.data, embedder.spec.image_size)
        content_hash = hashlib.sha256(new.data).hexdigest()
        try:
            self._store(owner).put(content_hash, new.data)
        except OSError as error:
            raise StorageFailed(f"the picture cannot be stored: {error.strerror}") from error
        with self._database.read() as session:
            is_known = bool(embedded(session, current, [content_hash]))
        vector = None if is_known else self._embedded(embedder, decoded.image, loop)
        return Put(
            key=new.key,
            picture=Picture(
                content_hash, len(new.data), decoded.format, decoded.width, decoded.height
            ),
            uri=new.uri,
            encoder_fingerprint=current.encoder_fingerprint,
            vector=vector,
            attributes=new.attributes,
        )

    def _current(self, owner: Collection) -> Collection:
        with self._database.read() as session:
            current = session.get(Collection, owner.id)
        if current is None or current.folder != owner.folder:
            raise UnknownCollection(owner.name)
        return current

    def _embedder_of(self, owner: Collection) -> Embedder:
        embedder = self._embedders.of(owner.model)
        if embedder.spec.fingerprint != owner.encoder_fingerprint:
            raise NotReady(
                f"collection {owner.name!r} was made by another edition of {owner.model}: reindex"
            )
        return embedder

    def _decoded(self, data: bytes, size: int) -> Decoded:
        with self._decoding:
            decoded = decode(data, limits=self._limits, min_side_hint=size, room=self._room)
            excess = 3 * decoded.image.width * decoded.image.height / _PICTURE_BYTES
            if excess <= 1:
                return decoded
            return replace(decoded, image=decoded.image.reduce(ceil(sqrt(excess))))

    def _embedded(
        self, embedder: Embedder, image: Image.Image, loop: asyncio.AbstractEventLoop
    ) -> NDArray[np.float16]:
        if loop.is_closed():
            raise EncoderAway("the server is stopping")
        deadline = time.monotonic() + self._embed_seconds
        asked = asyncio.run_coroutine_threadsafe(embedder.embed_images([image], deadline), loop)
        try:
            row = asked.result(2 * self._embed_seconds)[0]
        except TimeoutError:  # of a loop that has stopped: else the embedder keeps the deadline
            raise DeadlineExceeded("the time was over before the encoder had an answer") from None
        if not np.isfinite(row).all():
            raise EncodingFailed(f"{embedder.spec.id} makes no numbers of this picture")
        return np.asarray(row, np.float16)

    def _store(self, owner: Collection) -> PictureStore:
        return PictureStore(CollectionFolder.of(self._data_dir, owner).pictures)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except Rejected as rejected:
            self._rejected.labels(rejected.reason.value).inc()
            raise
