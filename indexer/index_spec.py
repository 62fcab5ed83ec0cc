"""Which FAISS index a collection gets, from its size and dimension.

The thresholds are argued in docs/decisions/0004-index-family.md.
"""

from dataclasses import dataclass
from math import sqrt

MIN_IVF_PQ = 10_000
"""A product quantizer has 256 centroids a segment and FAISS wants 39 points for each."""

_POINTS_PER_CENTROID = 39
_MAX_POINTS_PER_CENTROID = 256
_DIMS_PER_CODE_BYTE = 8
_MAX_CODE_BYTES = 64


@dataclass(frozen=True)
class IndexSpec:
    factory: str
    """As in faiss.index_factory; the metric is the inner product of unit vectors."""
    train_size: int
    """Vectors to train on; 0 where the index needs no training."""
    nlist: int
    """Inverted lists; 0 for an exact index."""

    @property
    def is_exact(self) -> bool:
        return self.nlist == 0


def choose_spec(count: int, dim: int) -> IndexSpec:
    """Flat below MIN_IVF_PQ vectors, else OPQ + IVF + PQ with at most 64 bytes a vector."""
    if count < MIN_IVF_PQ:
        return IndexSpec("Flat", train_size=0, nlist=0)
    code_bytes = max(1, min(_MAX_CODE_BYTES, dim // _DIMS_PER_CODE_BYTE))
    rotated = dim // code_bytes * code_bytes
    nlist = _power_of_two(min(4 * sqrt(count), count / _POINTS_PER_CENTROID))
    return IndexSpec(
        f"OPQ{code_bytes}_{rotated},IVF{nlist},PQ{code_bytes}x8",
        train_size=min(count, _MAX_POINTS_PER_CENTROID * max(nlist, 256)),
        nlist=nlist,
    )


def _power_of_two(limit: float) -> int:
    """The largest power of two that is not above `limit`."""
    return 1 << (int(limit).bit_length() - 1)
