"""From a file, or the URL of one, to a Put: fetched, decoded, stored, embedded."""

import asyncio
import hashlib
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.config import Settings
from app.embedders import Embedders
from app.errors import NotReady, StorageFailed
from app.images.reader import PictureReader, embedding_of, outlived
from app.images.uploads import Upload
from indexer.attributes import Attributes
from indexer.catalog.db import Database
from indexer.catalog.tables import API_SOURCE, Collection
from indexer.errors import UnknownCollection
from indexer.layout import CollectionFolder
from indexer.live.picture_store import PictureStore
from indexer.live.writes import Picture, Put, embedded
from models.errors import DeadlineExceeded, EncoderAway
from models.types import Embedder

_THREADS = 32
"""Pictures that wait for the encoder: a full batch."""


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
        self,
        settings: Settings,
        database: Database,
        embedders: Embedders,
        reader: PictureReader,
    ) -> None:
        self.reader = reader
        self._data_dir = settings.data_dir
        self._embed_seconds = settings.image_timeout_seconds
        self._database = database
        self._embedders = embedders
        self._threads = ThreadPoolExecutor(_THREADS, "prepare")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def put(self, owner: Collection, key: str, upload: Upload) -> Put:
        """Raises Rejected, AtCapacity, UnknownCollection, NotReady, StorageFailed, ModelError."""
        if upload.url is None:
            new = NewImage(key, API_SOURCE + key, upload.data or b"", upload.attributes)
            return await self.prepare(owner, new)
        async with self.reader.fetched(upload.url) as data:
            return await self.prepare(owner, NewImage(key, upload.url, data, upload.attributes))

    async def prepare(self, owner: Collection, new: NewImage) -> Put:
        """Raises Rejected, UnknownCollection, NotReady, StorageFailed, ModelError."""
        loop = asyncio.get_running_loop()
        return await outlived(self._threads.submit(self._prepare, owner, new, loop))

    def stored(self, owner: Collection, content_hash: str) -> bytes:
        """Blocking. Raises Rejected: gone, unreadable, corrupt."""
        return self._store(owner).read(content_hash)

    def forget(self, owner: Collection) -> None:
        """What was stored for a collection after it was deleted."""
        shutil.rmtree(CollectionFolder.of(self._data_dir, owner).root, ignore_errors=True)

    def _prepare(self, owner: Collection, new: NewImage, loop: asyncio.AbstractEventLoop) -> Put:
        current = self._current(owner)
        embedder = self._embedder_of(current)
        decoded = self.reader.decoded(new.data, embedder.spec.image_size)
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
        embedder = self._embedders.of_pictures(owner.model)
        if embedder.spec.fingerprint != owner.encoder_fingerprint:
            raise NotReady(
                f"collection {owner.name!r} was made by another edition of {owner.model}: reindex"
            )
        return embedder

    def _embedded(
        self, embedder: Embedder, image: Image.Image, loop: asyncio.AbstractEventLoop
    ) -> NDArray[np.float16]:
        if loop.is_closed():
            raise EncoderAway("the server is stopping")
        deadline = time.monotonic() + self._embed_seconds
        asked = asyncio.run_coroutine_threadsafe(embedding_of(embedder, image, deadline), loop)
        try:
            return np.asarray(asked.result(2 * self._embed_seconds)[0], np.float16)
        except TimeoutError:  # of a loop that has stopped: else the embedder keeps the deadline
            raise DeadlineExceeded("the time was over before the encoder had an answer") from None

    def _store(self, owner: Collection) -> PictureStore:
        return PictureStore(CollectionFolder.of(self._data_dir, owner).pictures)
