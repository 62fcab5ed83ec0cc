"""Capacity on paper: what a million, a hundred million, a thousand million images take.

    python -m bench.scale [--core-hour 0.05] [--gpu-hour 0.60]

Nothing is measured here. Every figure is worked out from the inputs below, each of which says
whether it was measured (and where), published (and by whom), or assumed. The tables of
docs/scale.md are this program's output; a test holds the two together.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from indexer.building.index_spec import IndexSpec, choose_spec

SIZES = (10**6, 10**8, 10**9, 10**10)
_NAMES = ("1 M", "100 M", "1 B", "10 B")
_DIM = 768
_KMEANS_ROUNDS = 8
_ROW_BYTES = 2 * _DIM
_GB = 1e9


@dataclass(frozen=True)
class Input:
    what: str
    value: float
    unit: str
    source: str

    @property
    def row(self) -> list[str]:
        return [self.what, f"{_number(self.value)} {self.unit}".strip(), self.source]


FILE = Input("a picture's file", 100_000, "bytes", "assumed")
GPU_RATE = Input(
    "images a GPU encodes",
    2_439,
    "a second",
    "published: timm, `vit_base_patch16_siglip_224`, RTX 4090, AMP, PyTorch 2.4, batches of 1,024",
)
TEXT_WORK = Input(
    "a text, in images' work",
    0.31,
    "",
    "arithmetic: 85 M weights × 64 tokens × 2 against 17.7 G multiply-adds × 2 (timm)",
)
DECODE = Input("decoding, 500 × 400", 3.4, "core-ms", "measured: decisions/0009")
RESIDENT = Input(
    "resident bytes ÷ (code + ids + centroids)",
    1.12,
    "",
    "measured: 94 a vector at 1,000,000 × 512, where code, ids and centroids are 84;"
    " at 1,000,000 × 768 it foretells 96.6 MB, and 96.5 were measured",
)
COLUMNS = Input("attributes, six fields", 25, "bytes an image", "measured: decisions/0012, at most")
DATABASE = Input(
    "rows of the database", 1_300, "bytes an image", "measured: operations.md, PostgreSQL, 1,259"
)
PRODUCTS = Input(
    "matrix products",
    123,
    "GFLOP/s a core",
    "measured: decisions/0004, 16,384 × 512 against 2,048 lists in 0.14 s on two cores",
)
PER_VECTOR = Input(
    "building, all but matrix products",
    128,
    "core-µs a vector",
    "measured: 1,000,000 × 512 built in 82 s on two cores, less 18 s of products",
)
QUERY = Input("a text at recall 0.95, 1 M", 1.3, "core-ms", "measured: 1,000,000 × 512, index.md")
GROWTH = Input("its growth, at least", 0.32, "exponent", "measured from 10 k to 1 M, index.md")
SERVER = Input("a question beside its search", 0.28, "core-ms", "measured: decisions/0008")
NODE_CORES = Input("a node", 32, "cores", "assumed")
NODE_MEMORY = Input("memory of a node", 128, "GB", "assumed")
NODE_FILL = Input("of which indexes may take", 0.7, "", "assumed")
PQ_BYTES = Input(
    "IVF_PQ in Milvus, code and id", 72, "bytes", "arithmetic: m = 64 segments of 8 bits, int64"
)
PQ_REST = Input("resident bytes ÷ those", 1.2, "", "assumed: deletions, segments that grow")

INPUTS = (
    FILE, GPU_RATE, TEXT_WORK, DECODE, RESIDENT, COLUMNS, DATABASE, PRODUCTS, PER_VECTOR, QUERY,
    GROWTH, SERVER, NODE_CORES, NODE_MEMORY, NODE_FILL, PQ_BYTES, PQ_REST,
)  # fmt: skip


@dataclass(frozen=True)
class Prices:
    core_hour: float = 0.05
    gpu_hour: float = 0.60


@dataclass(frozen=True)
class Size:
    """What so many images take."""

    images: int

    @property
    def spec(self) -> IndexSpec:
        return choose_spec(self.images, _DIM)

    @property
    def gpu_hours(self) -> float:
        return self.images / GPU_RATE.value / 3600

    @property
    def decode_core_hours(self) -> float:
        return self.images * DECODE.value / 1e3 / 3600

    @property
    def resident_gb(self) -> float:
        centroids = 4 * _DIM * self.spec.nlist
        return RESIDENT.value * (self.images * (64 + 8 + 8) + centroids) / _GB

    @property
    def version_gb(self) -> float:
        """A version's files."""
        return self.resident_gb + self.images * (_ROW_BYTES + 8 + COLUMNS.value) / _GB

    @property
    def shards_gb(self) -> float:
        return self.images * _ROW_BYTES / _GB

    def disk_gb(self, versions: int) -> float:
        """Shards, so many versions, and one that is being built."""
        return self.shards_gb + (versions + 1) * self.version_gb

    @property
    def build_core_hours(self) -> float:
        spec = self.spec
        assigned = self.images + _KMEANS_ROUNDS * spec.train_size
        products = 2 * assigned * spec.nlist * _DIM / (PRODUCTS.value * 1e9)
        return (products + self.images * PER_VECTOR.value / 1e6) / 3600

    @property
    def query_ms(self) -> tuple[float, float]:
        """Core-ms, at the growth that was measured, and at that of √images: as many lists as
        ever, of which each is as much longer.
        """
        times = self.images / 1e6
        return QUERY.value * times**GROWTH.value, QUERY.value * times**0.5

    @property
    def milvus_gb(self) -> float:
        return PQ_REST.value * self.images * PQ_BYTES.value / _GB

    @property
    def milvus_nodes(self) -> int:
        return -int(-self.milvus_gb // (NODE_FILL.value * NODE_MEMORY.value))


def tables(prices: Prices) -> dict[str, str]:
    """By name, in Markdown."""
    sizes = [Size(images) for images in SIZES]
    return {
        "inputs": _table(["input", "value", "from"], (each.row for each in INPUTS)),
        "embedding": _by_size(
            {
                "GPU-hours": [_number(size.gpu_hours) for size in sizes],
                "core-hours of decoding": [_number(size.decode_core_hours) for size in sizes],
                "read": [_bytes(size.images * FILE.value) for size in sizes],
                "embeddings, float16": [_bytes(size.shards_gb * _GB) for size in sizes],
                "days on 8 GPUs": [_number(size.gpu_hours / 8 / 24) for size in sizes],
            }
        ),
        "one": _by_size(
            {
                "inverted lists": [_number(size.spec.nlist) for size in sizes],
                "resident": [_bytes(size.resident_gb * _GB) for size in sizes],
                "a version on disk": [_bytes(size.version_gb * _GB) for size in sizes],
                "disk, 3 versions kept": [_bytes(size.disk_gb(3) * _GB) for size in sizes],
                "disk, 1 version kept": [_bytes(size.disk_gb(1) * _GB) for size in sizes],
                "database": [_bytes(size.images * DATABASE.value) for size in sizes],
                "build, core-hours": [_number(size.build_core_hours) for size in sizes],
                "build, hours on a node": [
                    _number(size.build_core_hours / NODE_CORES.value) for size in sizes
                ],
                "a text, core-ms": [_range(*size.query_ms) for size in sizes],
                "texts a second, a node": [_range(*_rates(size)) for size in sizes],
            }
        ),
        "milvus": _by_size(
            {
                "codes in memory": [_bytes(size.milvus_gb * _GB) for size in sizes],
                "query nodes": [_number(size.milvus_nodes) for size in sizes],
                "query nodes, 2 replicas": [_number(2 * size.milvus_nodes) for size in sizes],
                "vectors on disk, float32": [_bytes(2 * size.shards_gb * _GB) for size in sizes],
            }
        ),
        "cost": _by_size(
            {
                "a million searches, known texts": [
                    _range(*_costs(size, prices, new=False)) for size in sizes
                ],
                "a million searches, new texts": [
                    _range(*_costs(size, prices, new=True)) for size in sizes
                ],
                "embedding all, GPUs and decoding": [
                    _number(
                        size.gpu_hours * prices.gpu_hour + size.decode_core_hours * prices.core_hour
                    )
                    for size in sizes
                ],
                "building the index once": [
                    _number(size.build_core_hours * prices.core_hour) for size in sizes
                ],
            }
        ),
    }


def _rates(size: Size) -> tuple[float, float]:
    quick, slow = size.query_ms
    cores_ms = 1e3 * NODE_CORES.value
    return cores_ms / (slow + SERVER.value), cores_ms / (quick + SERVER.value)


def _costs(size: Size, prices: Prices, *, new: bool) -> tuple[float, float]:
    """Of a million searches."""
    gpu_s = TEXT_WORK.value / GPU_RATE.value if new else 0.0
    encoding = 1e6 * gpu_s / 3600 * prices.gpu_hour
    quick, slow = (
        1e6 * (ms + SERVER.value) / 1e3 / 3600 * prices.core_hour for ms in size.query_ms
    )
    return quick + encoding, slow + encoding


def _by_size(rows: dict[str, Sequence[str]]) -> str:
    return _table(["", *_NAMES], ([name, *values] for name, values in rows.items()))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _range(low: float, high: float) -> str:
    return _number(low) if _number(low) == _number(high) else f"{_number(low)} – {_number(high)}"


def _bytes(value: float) -> str:
    for unit, size in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9)):
        if value >= size:
            return f"{_number(value / size)} {unit}"
    return f"{_number(value / 1e6)} MB"


def _number(value: float) -> str:
    """Two digits that tell something, or all of a whole number that is given as one."""
    if value >= 100 or float(value).is_integer():
        return f"{value:,.0f}" if float(value).is_integer() else f"{float(f'{value:.2g}'):,.0f}"
    return f"{value:.2g}" if value < 1 else f"{float(f'{value:.3g}'):g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core-hour", type=float, default=Prices.core_hour)
    parser.add_argument("--gpu-hour", type=float, default=Prices.gpu_hour)
    given = parser.parse_args()
    for name, table in tables(Prices(given.core_hour, given.gpu_hour)).items():
        print(f"\n## {name}\n\n{table}")


if __name__ == "__main__":
    main()
