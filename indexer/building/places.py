"""Where the vectors of a new version go: into files that servers map, or into Milvus."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from indexer.backends.base import VectorIndex
from indexer.backends.milvus.connection import MilvusOptions
from indexer.building.index_spec import IndexFamily
from indexer.columns.collect import collect
from indexer.versions.manifest import Calibration, MilvusPlace
from models.types import Embeddings

CHUNK = 65_536

Stage = Callable[[str], None]
"""Told each stage as it begins: gather, train, add, calibrate, verify."""


@dataclass(frozen=True)
class BuildOptions:
    """`bytes_per_vector` is what a vector may keep resident, see index_spec. `memory_bytes`
    bounds the lists while they are built, and the training sample.
    """

    bytes_per_vector: int = 100
    memory_bytes: int = 4 * 1024**3
    milvus: MilvusOptions | None = None
    """Where new versions go; None: into files."""


@dataclass(frozen=True)
class BuildInput:
    """What a version is made from: images in ascending id order and where their vectors are."""

    model: str
    encoder_fingerprint: str
    dim: int
    change_number: int
    ids: NDArray[np.int64]
    chunks: Callable[[], Iterator[NDArray[np.float16]]]
    """Yields the rows in the order of `ids`, (≤ CHUNK, regions · dim) at a time."""
    text_queries: Callable[[], Embeddings]
    """Texts (n, dim) as people will ask them, for calibration and the background of relevance."""
    family: IndexFamily
    floor: float
    """recall@10 that the index must reach on texts and on images alike."""
    attributes: pa.RecordBatch = field(default_factory=lambda: collect([]))
    """As indexer.columns.collect has them, in the order of `ids`; no fields: no image has any."""
    regions: int = 1
    """Embeddings of each image."""


@dataclass(frozen=True)
class Filled:
    """What the manifest says of an index that was filled."""

    factory: str
    calibration: Calibration | None
    milvus: MilvusPlace | None = None


class Place(Protocol):
    """Of one version, in the making."""

    def factory(self, vectors: int, dim: int, family: IndexFamily) -> str:
        """Which index so many vectors get."""
        ...

    def fill(
        self, source: BuildInput, vectors: NDArray[np.float16], texts: Embeddings, stage: Stage
    ) -> Filled:
        """With the rows (count, regions · dim), and the text queries to calibrate on.

        Raises BuildFailed, RecallTooLow, IndexAway.
        """
        ...

    def opened(self, folder: Path) -> VectorIndex:
        """As a server will open it, its manifest written. Raises VersionDamaged, IndexAway."""
        ...

    def discard(self) -> None:
        """Whatever there is of it outside the folder."""
        ...
