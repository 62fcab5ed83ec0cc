"""Rows and shards in, a finished version folder out."""

import io
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from indexer.backends.faiss_index import FaissIndex
from indexer.backends.opening import open_version
from indexer.backends.stored_vectors import map_vectors
from indexer.building.calibrate import TARGETS, calibrate, shortfall
from indexer.building.fill import fill
from indexer.building.index_spec import IndexFamily, IndexSpec, choose_spec
from indexer.building.train import train
from indexer.columns.arrow import summaries, write_columns
from indexer.columns.collect import collect
from indexer.durable import fsync_folder
from indexer.errors import BuildFailed, RecallTooLow, VersionDamaged
from indexer.layout import CollectionFolder
from indexer.versions.attributes import open_columns
from indexer.versions.manifest import (
    ATTRIBUTES,
    IDS,
    VECTORS,
    Calibration,
    Manifest,
    describe_files,
    write_manifest,
)
from indexer.versions.relevance import measure_backgrounds
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
class BuiltVersion:
    name: str
    manifest: Manifest


def build_version(
    folder: CollectionFolder, source: BuildInput, options: BuildOptions, stage: Stage
) -> BuiltVersion:
    """Build beside the published versions; the new folder appears whole, under its name.

    Raises BuildFailed where FAISS gives up (a full disk, for one), RecallTooLow where the index
    misses its floor, VersionDamaged if what was written does not read back and answer.
    """
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    building = folder.building(name)
    building.mkdir(parents=True)
    try:
        manifest = _build(building, source, options, stage)
        stage("verify")
        _verify(building)
    except (RuntimeError, MemoryError) as error:  # FAISS knows no other
        shutil.rmtree(building, ignore_errors=True)
        raise BuildFailed(f"the index could not be built: {error}") from error
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    building.rename(folder.version(name))
    fsync_folder(folder.versions)
    return BuiltVersion(name, manifest)


def _build(building: Path, source: BuildInput, options: BuildOptions, stage: Stage) -> Manifest:
    stage("gather")
    vectors = _gather(building / VECTORS, source)
    _write_ids(building / IDS, source.ids)
    write_columns(building / ATTRIBUTES, source.attributes)
    parts = vectors.reshape(-1, source.dim)
    spec = choose_spec(len(parts), source.dim, source.family, options.bytes_per_vector)
    index = None
    if not spec.is_exact:
        stage("train")
        empty = train(spec, parts, options.memory_bytes)
        stage("add")
        index = fill(empty, parts, building, options.memory_bytes)
    stage("calibrate")
    texts = source.text_queries()
    manifest = Manifest(
        model=source.model,
        encoder_fingerprint=source.encoder_fingerprint,
        dim=source.dim,
        regions=source.regions,
        count=len(source.ids),
        change_number=source.change_number,
        factory=spec.factory,
        calibration=_calibrate(spec, index, parts, texts, source),
        backgrounds=measure_backgrounds(vectors, texts),
        fields=summaries(source.attributes),
        created_at=datetime.now(UTC),
        files=describe_files(building),
    )
    write_manifest(building, manifest)
    return manifest


def _gather(path: Path, source: BuildInput) -> NDArray[np.float16]:
    shape = (len(source.ids), source.regions * source.dim)
    with path.open("wb") as file:
        for chunk in source.chunks():
            file.write(np.ascontiguousarray(chunk).data)  # tofile does not say what failed
    if path.stat().st_size != np.dtype(np.float16).itemsize * shape[0] * shape[1]:
        raise VersionDamaged(f"{path.name}: the shards hold fewer embeddings than the catalog")
    return map_vectors(path, shape)


def _write_ids(path: Path, ids: NDArray[np.int64]) -> None:
    # Through memory: np.save to a file does not notice a full disk at its last flush.
    encoded = io.BytesIO()
    np.save(encoded, ids)
    path.write_bytes(encoded.getvalue())


def _calibrate(
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
    floor = min(source.floor, TARGETS[-1])
    if missed := shortfall(calibration, floor):
        modality, best = missed
        raise RecallTooLow(modality, best, floor)
    return calibration


def _verify(building: Path) -> None:
    """Open the folder as a server will, and ask it for images that it must find."""
    manifest, index = open_version(building)
    open_columns(building, manifest)
    for image_id in index.ids[:: max(1, index.count // 10)].tolist():
        vector = index.vector_of(image_id)
        if vector is None:
            raise VersionDamaged(f"{building.name}: image {image_id} has no vector")
        hits = index.search(_unit(vector), 1, recall=1.0, modality="image")
        if hits.scores[0, 0] < 1 - 1e-2:
            raise VersionDamaged(f"{building.name}: image {image_id} does not find itself")


def _unit(vector: NDArray[np.float32]) -> Embeddings:
    return (vector / np.linalg.norm(vector))[None]
