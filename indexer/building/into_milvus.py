"""A new version in a collection of Milvus of its own."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.backends.base import VectorIndex
from indexer.backends.milvus import schema, versions
from indexer.backends.milvus.connection import Milvus
from indexer.backends.milvus.index import MilvusIndex
from indexer.backends.milvus.index_type import MilvusIndexType, choose_index
from indexer.backends.milvus.opening import require_full, seen
from indexer.building.calibrate import calibrate, require_recall
from indexer.building.index_spec import IndexFamily
from indexer.building.places import BuildInput, BuildOptions, Filled, Stage
from indexer.columns.collect import rows_of
from indexer.errors import IndexAway
from indexer.versions.manifest import Calibration, MilvusPlace, read_manifest
from models.types import Embeddings

logger = logging.getLogger(__name__)

_WRITTEN_AT_ONCE = 10_000
"""Rows whose attributes are objects of Python at a time."""
_SHALLOWEST = 128
"""Every candidate comes through the network: of few, a look takes an eighth of the time."""


class IntoMilvus:
    """See `indexer.building.places.Place`. Of the folder the manifest alone is used."""

    def __init__(self, milvus: Milvus, collection: str, options: BuildOptions) -> None:
        self._milvus = milvus
        self._collection = collection
        self._options = options

    def factory(self, vectors: int, dim: int, family: IndexFamily) -> str:
        return self._index_type(vectors, dim, family).factory

    def fill(
        self, source: BuildInput, vectors: NDArray[np.float16], texts: Embeddings, stage: Stage
    ) -> Filled:
        index_type = self._index_type(len(vectors), source.dim, source.family)
        stage("add")
        schema.create(self._milvus, self._collection, source.dim)
        self._write(source, vectors)
        stage("train")
        schema.build_index(self._milvus, self._collection, index_type)
        stage("calibrate")
        calibration = self._calibrated(index_type, source, vectors, texts)
        place = MilvusPlace(collection=self._collection, nlist=index_type.nlist)
        return Filled(index_type.factory, calibration, place)

    def opened(self, folder: Path) -> VectorIndex:
        manifest = read_manifest(folder)
        require_full(folder, manifest, manifest.count, self._milvus.options)
        return seen(self._milvus, folder, manifest, manifest.count)[0]

    def discard(self) -> None:
        """What cannot be dropped now, the next run sweeps."""
        try:
            versions.drop(self._milvus, self._collection)
        except IndexAway as away:
            logger.warning("%s stays in Milvus until the next run: %s", self._collection, away)

    def _write(self, source: BuildInput, vectors: NDArray[np.float16]) -> None:
        for start in range(0, len(vectors), _WRITTEN_AT_ONCE):
            part = slice(start, start + _WRITTEN_AT_ONCE)
            chunk = vectors[part]
            attributes = rows_of(source.attributes, start, len(chunk))
            schema.write(self._milvus, self._collection, source.ids[part], chunk, attributes)
        schema.flush(self._milvus, self._collection)

    def _calibrated(
        self,
        index_type: MilvusIndexType,
        source: BuildInput,
        vectors: NDArray[np.float16],
        texts: Embeddings,
    ) -> Calibration | None:
        if index_type.is_exact:
            return None
        index = self._uncalibrated(vectors, index_type)
        measured = _Measured(index, vectors, source.ids)
        calibration = calibrate(measured, texts, index_type.code_ns, shallowest=_SHALLOWEST)
        require_recall(calibration, source.floor)
        return calibration

    def _uncalibrated(
        self, vectors: NDArray[np.float16], index_type: MilvusIndexType
    ) -> MilvusIndex:
        count, dim = vectors.shape
        return MilvusIndex(self._milvus, self._collection, dim, count, index_type.nlist, None)

    def _index_type(self, vectors: int, dim: int, family: IndexFamily) -> MilvusIndexType:
        budget, is_lite = self._options.bytes_per_vector, self._milvus.options.is_lite
        return choose_index(vectors, dim, family, budget, is_lite=is_lite)


@dataclass(frozen=True)
class _Measured:
    """See `indexer.building.calibrate.Candidates`: the index is in Milvus, the truth here."""

    index: MilvusIndex
    vectors: NDArray[np.float16]
    ids: NDArray[np.int64]

    @property
    def count(self) -> int:
        return len(self.ids)

    @property
    def nlist(self) -> int:
        return self.index.nlist

    def candidates(self, queries: Embeddings, depth: int, nprobe: int) -> NDArray[np.int64]:
        ids = self.index.candidates(queries, depth, nprobe)
        return np.where(ids < 0, -1, np.searchsorted(self.ids, ids))
