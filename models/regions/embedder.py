"""The regions of pictures, embedded by whoever embeds whole ones."""

import asyncio
from collections.abc import Sequence

from PIL import Image

from models.regions.encoder import region_spec
from models.regions.schemes import RegionScheme
from models.types import Embedder, Embeddings, EncoderSpec


class RegionEmbedder:
    """See `models.types.Embedder`; an image's row has the shape (regions · dim,). The inner
    embedder, in this process or a worker, knows nothing of regions.
    """

    def __init__(self, inner: Embedder, scheme: RegionScheme) -> None:
        self._inner = inner
        self._scheme = scheme

    @property
    def spec(self) -> EncoderSpec:
        return region_spec(self._inner.spec, self._scheme)

    async def embed_texts(self, texts: Sequence[str], deadline: float) -> Embeddings:
        return await self._inner.embed_texts(texts, deadline)

    async def embed_images(self, images: Sequence[Image.Image], deadline: float) -> Embeddings:
        cut = await asyncio.gather(
            *(asyncio.to_thread(self._scheme.cut, image) for image in images)
        )
        parts = [part for of_image in cut for part in of_image]
        rows = await self._inner.embed_images(parts, deadline)
        return rows.reshape(len(images), self.spec.row_dim)

    async def close(self) -> None:
        await self._inner.close()
