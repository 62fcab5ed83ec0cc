"""Which index of Milvus a version gets: the counterpart of indexer/building/index_spec.py."""

from collections.abc import Mapping
from dataclasses import dataclass

from indexer.building.index_spec import IndexFamily, choose_spec

_IVF_PQ, _IVF_SQ8, _IVF_RABITQ, FLAT = "IVF_PQ", "IVF_SQ8", "IVF_RABITQ", "FLAT"
_NAMES = {
    IndexFamily.IVF_PQ: _IVF_PQ,
    IndexFamily.IVF_PQ8: _IVF_PQ,
    IndexFamily.IVF_RABITQ: _IVF_RABITQ,
    IndexFamily.IVF_SQ8: _IVF_SQ8,
}
_CODE_BITS = 8
_OVERHEAD_BYTES = 16
"""Of a vector's budget: what its ids take."""


@dataclass(frozen=True)
class MilvusIndexType:
    name: str
    """As Milvus has it."""
    parameters: Mapping[str, int]
    nlist: int
    """Inverted lists of each segment; 0 for exact search."""
    code_ns: float = 0.0
    """See IndexSpec."""

    @property
    def is_exact(self) -> bool:
        return self.nlist == 0

    @property
    def factory(self) -> str:
        """One line that says all of it."""
        said = [f"{name} {value}" for name, value in self.parameters.items()]
        return ", ".join([f"Milvus {self.name}", *said])


def choose_index(
    count: int, dim: int, family: IndexFamily, bytes_per_vector: int, *, is_lite: bool
) -> MilvusIndexType:
    """Milvus Lite knows neither product quantization nor RaBitQ: it gets a byte a dimension."""
    spec = choose_spec(count, dim, family, bytes_per_vector)
    if spec.is_exact:
        return MilvusIndexType(FLAT, {}, 0)
    name = _IVF_SQ8 if is_lite else _NAMES[spec.family]
    parameters = {"nlist": spec.nlist}
    if name == _IVF_PQ:
        parameters |= {"m": _segments(dim, bytes_per_vector), "nbits": _CODE_BITS}
    return MilvusIndexType(name, parameters, spec.nlist, spec.code_ns)


def _segments(dim: int, bytes_per_vector: int) -> int:
    """The most that divide the dimension, of those within the budget and of two dimensions each."""
    most = max(1, min(bytes_per_vector - _OVERHEAD_BYTES, dim // 2))
    return next(segments for segments in range(most, 0, -1) if dim % segments == 0)
