"""A new version in files of its folder."""

import io
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.backends.base import VectorIndex
from indexer.backends.faiss_index import FaissIndex
from indexer.backends.opening import open_version
from indexer.building.calibrate import calibrate, require_recall
from indexer.building.fill import fill
from indexer.building.index_spec import IndexFamily, IndexSpec, choose_spec
from indexer.building.places import BuildInput, BuildOptions, Filled, Stage
from indexer.building.train import train
from indexer.columns.arrow import write_columns
from indexer.versions.attributes import open_columns
from indexer.versions.manifest import ATTRIBUTES, IDS, Calibration
from models.types import Embeddings


class IntoFiles:
    """See `indexer.building.places.Place`."""

    def __init__(self, folder: Path, options: BuildOptions) -> None:
        """`folder` holds the vectors already."""
        self._folder = folder
        self._options = options

    def factory(self, vectors: int, dim: int, family: IndexFamily) -> str:
        return self._spec(vectors, dim, family).factory

    def fill(
        self, source: BuildInput, vectors: NDArray[np.float16], texts: Embeddings, stage: Stage
    ) -> Filled:
        _write_ids(self._folder / IDS, source.ids)
        write_columns(self._folder / ATTRIBUTES, source.attributes)
        parts = vectors.reshape(-1, source.dim)
        spec = self._spec(len(parts), source.dim, source.family)
        index = None
        if not spec.is_exact:
            stage("train")
            empty = train(spec, parts, self._options.memory_bytes)
            stage("add")
            index = fill(empty, parts, self._folder, self._options.memory_bytes)
        stage("calibrate")
        return Filled(spec.factory, _calibrated(spec, index, parts, texts, source))

    def opened(self, folder: Path) -> VectorIndex:
        manifest, index = open_version(folder)
        open_columns(folder, manifest)
        return index

    def discard(self) -> None:
        """There is nothing."""

    def _spec(self, vectors: int, dim: int, family: IndexFamily) -> IndexSpec:
        return choose_spec(vectors, dim, family, self._options.bytes_per_vector)


def _write_ids(path: Path, ids: NDArray[np.int64]) -> None:
    # Through memory: np.save to a file does not notice a full disk at its last flush.
    encoded = io.BytesIO()
    np.save(encoded, ids)
    path.write_bytes(encoded.getvalue())


def _calibrated(
    spec: IndexSpec,
    index: faiss.Index | None,
    vectors: NDArray[np.float16],
    texts: Embeddings,
    source: BuildInput,
) -> Calibration | None:
    if index is None:
        return None
    uncalibrated = FaissIndex(index, vectors, np.arange(len(vectors)), calibration=None)
    calibration = calibrate(uncalibrated, texts, spec.code_ns, source.regions)
    require_recall(calibration, source.floor)
    return calibration
