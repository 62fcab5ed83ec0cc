"""The encoder in this process, behind the interface that a worker has too."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from models.types import Embeddings, Encoder


class InProcessEmbedder:
    """A TextEmbedder that runs its encoder on a thread of its own, off the event loop."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encode")

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.encoder.encode_texts, texts)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
