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
    regions: NDArray[np.int64] | None = None
    """Shape (queries, k): which region of each image it is; None: images are searched whole."""


class VectorIndex(Protocol):
    """Safe to search from several threads at once; nothing changes it once it is open.

    An image's row is the embeddings of its regions, one after the other, the whole first.
    """

    @property
    def count(self) -> int:
        """Of images."""
        ...

    @property
    def is_quick(self) -> bool:
        """Whether one query takes a fraction of a millisecond, from memory alone."""
        ...

    @property
    def ids(self) -> NDArray[np.int64]:
        """Shape (count,), ascending: the images, by row."""
        ...

    def search(
        self,
        queries: Embeddings,
        k: int,
        recall: float,
        modality: Modality,
        among: NDArray[np.bool_] | None = None,
    ) -> Hits:
        """The k nearest for each of (queries, dim), aiming at `recall`@10.

        `among` (count,): the rows that may be found; None: all.

        Raises ValueError for queries that are not unit vectors.
        """
        ...

    def vector_of(self, image_id: int) -> NDArray[np.float32] | None:
        """The stored (dim,) embedding of the whole picture, or None where the index does not hold
        the image.
        """
        ...

    def row_of(self, image_id: int) -> NDArray[np.float16] | None:
        """All that is stored, (regions · dim,), or None."""
        ...

    def vectors_of(
        self, image_ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Which of the images (n,) the index holds, (n,), and the stored embeddings (held, dim) of
        those, in their order; the latter first.
        """
        ...
