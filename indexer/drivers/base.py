"""What every driver of embedding agrees on."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from indexer.embedding.prepare import Outcome, Workshop
from indexer.embedding.scan import Finding
from models.encoder_pool import EncoderPool
from models.types import Embeddings, Pixels

Encode = Callable[[Sequence[Pixels]], Future[Embeddings]]
"""The result has shape (n, row_dim); may wait until a device has room."""

Leave = Callable[[int, int], None]
"""So many bytes, of so many pictures, are held no longer."""


@dataclass(frozen=True)
class Stages:
    """`outcomes`, in no particular order, end with the findings; iterating them raises whatever
    stopped the work. What they hold as pixels is for `encode` alone to understand.
    """

    outcomes: Iterable[Outcome]
    encode: Encode
    leave: Leave


class EmbedDriver(Protocol):
    def stages(
        self, findings: Iterable[Finding], workshop: Workshop, pool: EncoderPool, /
    ) -> AbstractContextManager[Stages]:
        """Findings are iterated once, on a thread of the driver's. Left, also by an error, the
        context ends all that was begun for it: threads, processes, work elsewhere.
        """
        ...
