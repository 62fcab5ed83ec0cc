"""Embeddings of pictures that are asked with: nothing of them is stored."""

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from app.errors import InvalidRequest
from app.images.reader import PictureReader, embedding_of
from app.images.uploads import unpacked
from models.batching.deadline import in_time
from models.types import Embedder, Embeddings

_KEPT = 1_000
"""Embeddings in memory, 3 MB of 768 dimensions: a page of results asks with one picture again
for every filter that is tried on it.
"""


class PictureReference(Protocol):
    """A picture that is no image of a collection: one of the two says where it is."""

    @property
    def url(self) -> str | None: ...

    @property
    def base64(self) -> str | None: ...


class PictureEmbedder:
    """Used on one event loop. The same bytes are encoded once by an encoder, while they are among
    the pictures last asked with.
    """

    def __init__(self, reader: PictureReader) -> None:
        self.reader = reader
        self._kept: OrderedDict[tuple[str, str], Embeddings] = OrderedDict()
        """By the file's SHA-256 and the encoder's fingerprint."""

    async def embedding(
        self, embedder: Embedder, reference: PictureReference, deadline: float
    ) -> Embeddings:
        """Shape (1, dim), all of it made until `deadline`, a second of `time.monotonic`.

        Raises InvalidRequest, Rejected, AtCapacity, and what embedders raise.
        """
        return await in_time(self._embedding(embedder, reference, deadline), deadline)

    async def _embedding(
        self, embedder: Embedder, reference: PictureReference, deadline: float
    ) -> Embeddings:
        async with self._file(reference) as data:
            content = await self.reader.on_thread(_sha256, data)
            key = content, embedder.spec.fingerprint
            if (known := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return known
            size = embedder.spec.image_size
            decoded = await self.reader.on_thread(self.reader.decoded, data, size)
            made = await embedding_of(embedder, decoded.image, deadline)
        self._keep(key, made)
        return made

    @asynccontextmanager
    async def _file(self, reference: PictureReference) -> AsyncIterator[bytes]:
        if reference.url is not None:
            async with self.reader.fetched(reference.url) as data:
                yield data
        elif reference.base64 is not None:
            yield await self.reader.on_thread(unpacked, reference.base64)
        else:
            raise InvalidRequest("an image of no collection is given by url or base64")

    def _keep(self, key: tuple[str, str], made: Embeddings) -> None:
        self._kept[key] = made
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
