"""The contract of a vector index."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.versions.manifest import CalibrationPoint
from models.types import Embeddings

Modality = Literal["text", "image"]
"""What a query was: a text lies off the images' distribution and needs a wider search."""

Among = NDArray[np.bool_] | str
"""What may be found: a mask of the rows that lie here, or an expression for Milvus."""

_UNIT_NORM_TOLERANCE = 1e-2


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

    def search(
        self,
        queries: Embeddings,
        k: int,
        recall: float,
        modality: Modality,
        among: Among | None = None,
    ) -> Hits:
        """The k nearest for each of (queries, dim), aiming at `recall`@10; fewer only where there
        are no more.

        `among`: those that may be found, in the form that the index takes; None: all.

        Raises ValueError for queries that are not unit vectors; IndexAway.
        """
        ...

    def vector_of(self, image_id: int) -> NDArray[np.float32] | None:
        """The stored (dim,) embedding of the whole picture, or None where the index does not hold
        the image.
        """
        ...

    def row_of(self, image_id: int) -> NDArray[np.float16] | None:
        """All that is stored, (regions · dim,), or None where it does not lie here."""
        ...

    def may_hold(self, image_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the images (n,) may be in the index, as far as that is known here."""
        ...

    def vectors_of(
        self, image_ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Which of the images (n,) the index holds, (n,), and the stored embeddings (held, dim) of
        those, in their order; the latter first.
        """
        ...


def require_unit(queries: Embeddings) -> None:
    """FAISS answers anything for a zero vector and id −1 for NaN: refuse both."""
    squares = np.vecdot(queries, queries).tolist()
    if not all(abs(square - 1) < 2 * _UNIT_NORM_TOLERANCE for square in squares):
        raise ValueError("queries must be finite and of unit length")


def point_for(points: list[CalibrationPoint], recall: float) -> CalibrationPoint:
    """The cheapest setting that reached `recall`, or the best there is."""
    return next((point for point in points if point.recall >= recall), points[-1])


def nothing(queries: int, k: int) -> Hits:
    ids = np.full((queries, k), -1, np.int64)
    return Hits(ids, np.full((queries, k), -np.inf, np.float32))
