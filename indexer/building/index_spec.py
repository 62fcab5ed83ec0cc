"""Which index a collection gets, from its size, its dimension and the memory it may take.

The families are compared, and the thresholds argued, in docs/decisions/0004-index-family.md.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, sqrt

MIN_IVF = 10_000
"""Below this every family is exact search: 10,000 × 768 take a millisecond."""

MIN_POINTS_PER_CENTROID = 39
"""FAISS wants so many vectors for each inverted list, and warns below."""
_TRAIN_POINTS_PER_CENTROID = 64
_MIN_TRAIN = 65_536
_LIST_ID_BYTES = 8
_ROW_ID_BYTES = 8


class IndexFamily(StrEnum):
    """How the candidates that are then scored exactly are found."""

    AUTO = "auto"
    """IVF_PQ from MIN_IVF vectors on."""
    FLAT = "flat"
    """All vectors are scored; nothing is trained."""
    IVF_PQ = "ivf-pq"
    """OPQ, inverted lists, product quantizer of 4 bits, scanned in registers (fast scan)."""
    IVF_PQ8 = "ivf-pq8"
    """The same with 8 bits; its lists can be built larger than memory."""
    IVF_RABITQ = "ivf-rabitq"
    """Inverted lists with one bit a dimension."""
    IVF_SQ8 = "ivf-sq8"
    """Inverted lists with one byte a dimension, whatever the budget."""


_CODE_NS = {
    IndexFamily.IVF_PQ: 3.5,
    IndexFamily.IVF_PQ8: 25.0,
    IndexFamily.IVF_RABITQ: 21.0,
    IndexFamily.IVF_SQ8: 40.0,
}


@dataclass(frozen=True)
class IndexSpec:
    family: IndexFamily
    factory: str
    """As in faiss.index_factory; the metric is the inner product of unit vectors."""
    train_size: int
    """Vectors to train on; 0 where the index needs no training."""
    nlist: int
    """Inverted lists; 0 for exact search."""

    @property
    def is_exact(self) -> bool:
        return self.nlist == 0

    @property
    def code_ns(self) -> float:
        """Nanoseconds that scanning a code takes one core (measured at 512 dimensions)."""
        return _CODE_NS.get(self.family, 0.0)


EXACT = IndexSpec(IndexFamily.FLAT, "Flat", train_size=0, nlist=0)


def choose_spec(
    count: int, dim: int, family: IndexFamily = IndexFamily.AUTO, bytes_per_vector: int = 100
) -> IndexSpec:
    """`bytes_per_vector` is what a vector may keep resident, code and ids; beside it there are
    the centroids, 4 × dim × nlist bytes. The stored float16 vectors are mapped, not resident.
    """
    if count < MIN_IVF or family is IndexFamily.FLAT:
        return EXACT
    chosen = IndexFamily.IVF_PQ if family is IndexFamily.AUTO else family
    nlist = _power_of_two(min(4 * sqrt(count), count / MIN_POINTS_PER_CENTROID))
    code_bytes = max(1, bytes_per_vector - _LIST_ID_BYTES - _ROW_ID_BYTES)
    return IndexSpec(
        chosen,
        _factory(chosen, dim, nlist, code_bytes),
        train_size=min(count, max(_TRAIN_POINTS_PER_CENTROID * nlist, _MIN_TRAIN)),
        nlist=nlist,
    )


def _factory(family: IndexFamily, dim: int, nlist: int, code_bytes: int) -> str:
    match family:
        case IndexFamily.IVF_PQ:
            segments, rotated = _segments(dim, 2 * code_bytes)
            return f"OPQ{segments}_{rotated},IVF{nlist},PQ{segments}x4fs"
        case IndexFamily.IVF_PQ8:
            segments, rotated = _segments(dim, code_bytes)
            return f"OPQ{segments}_{rotated},IVF{nlist},PQ{segments}x8"
        case IndexFamily.IVF_RABITQ:
            return f"IVF{nlist},RaBitQ"
        case IndexFamily.IVF_SQ8:
            return f"IVF{nlist},SQ8"
        case _:
            raise ValueError(f"{family} has no inverted lists")


def _segments(dim: int, most: int) -> tuple[int, int]:
    """Segments of an even number of dimensions, at most so many, and the dimensions they cover.

    What dim leaves over is dropped by the rotation, which turns the least telling there.
    """
    width = max(2, ceil(dim / most))
    width += width % 2
    segments = max(1, dim // width)
    return segments, segments * width


def _power_of_two(limit: float) -> int:
    """The largest power of two that is not above `limit`."""
    return 1 << (int(limit).bit_length() - 1)
