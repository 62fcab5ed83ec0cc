"""The contract of a vector index."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from models.types import Embeddings

Modality = Literal["text", "image"]
"""What a query was: a text lies off the images' distribution and needs a wider search."""


@dataclass(frozen=True)
class Hits:
    """Best first. Where an index has fewer than k, the tail is id −1, score −inf."""

    ids: NDArray[np.int64]
    """Shape (queries, k): primary keys of images."""
    scores: NDArray[np.float32]
    """Shape (queries, k): cosines, exact."""


class VectorIndex(Protocol):
    """Safe to search from several threads at once; nothing changes it once it is open."""

    @property
    def count(self) -> int: ...

    @property
    def is_quick(self) -> bool:
        """Whether one query takes a fraction of a millisecond, from memory alone."""
        ...

    def search(self, queries: Embeddings, k: int, recall: float, modality: Modality) -> Hits:
        """The k nearest for each of (queries, dim), aiming at `recall`@10.

        Raises ValueError for queries that are not unit vectors.
        """
        ...

    def vector_of(self, image_id: int) -> NDArray[np.float32] | None:
        """The stored (dim,) embedding, or None where the index does not hold the image."""
        ...
