"""Rows and shards in, a finished version folder out."""

import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.backends.base import VectorIndex
from indexer.backends.milvus.connection import connect
from indexer.backends.milvus.names import name_of
from indexer.backends.stored_vectors import map_vectors
from indexer.building.into_files import IntoFiles
from indexer.building.into_milvus import IntoMilvus
from indexer.building.places import BuildInput, BuildOptions, Place, Stage
from indexer.columns.arrow import summaries
from indexer.durable import fsync_folder
from indexer.errors import BuildFailed, VersionDamaged
from indexer.layout import CollectionFolder
from indexer.versions.manifest import VECTORS, Manifest, describe_files, write_manifest
from indexer.versions.relevance import measure_backgrounds
from models.types import Embeddings


@dataclass(frozen=True)
class BuiltVersion:
    name: str
    manifest: Manifest


def build_version(
    folder: CollectionFolder, source: BuildInput, options: BuildOptions, stage: Stage
) -> BuiltVersion:
    """Build beside the published versions; the new folder appears whole, under its name.

    Raises BuildFailed where FAISS gives up (a full disk, for one), or where images have regions and
    Milvus is to hold them; IndexAway; RecallTooLow where the index misses its floor; VersionDamaged
    if what was written does not read back and answer.
    """
    require_possible(options, source.regions)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    building = folder.building(name)
    building.mkdir(parents=True)
    place = place_for(folder, name, options)
    try:
        manifest = _build(building, source, place, stage)
        stage("verify")
        _verify(name, place.opened(building), source.ids)
    except BaseException as error:
        place.discard()
        shutil.rmtree(building, ignore_errors=True)
        if isinstance(error, (RuntimeError, MemoryError)):  # FAISS knows no other
            raise BuildFailed(f"the index could not be built: {error}") from error
        raise
    building.rename(folder.version(name))
    fsync_folder(folder.versions)
    return BuiltVersion(name, manifest)


def place_for(folder: CollectionFolder, version: str, options: BuildOptions) -> Place:
    """Where a version of that name goes, by the options."""
    if options.milvus is None:
        return IntoFiles(folder.building(version), options)
    return IntoMilvus(connect(options.milvus), name_of(folder.root.name, version), options)


def require_possible(options: BuildOptions, regions: int) -> None:
    """Raises BuildFailed."""
    if options.milvus is not None and regions > 1:
        raise BuildFailed(
            "images are searched by regions in files alone, not in Milvus: index without --regions "
            "or without NOONGIL_MILVUS_URI"
        )


def _build(building: Path, source: BuildInput, place: Place, stage: Stage) -> Manifest:
    stage("gather")
    vectors = _gather(building / VECTORS, source)
    texts = source.text_queries()
    filled = place.fill(source, vectors, texts, stage)
    backgrounds = measure_backgrounds(vectors, texts)
    if filled.milvus is not None:
        (building / VECTORS).unlink()  # what its index was measured by
    manifest = Manifest(
        model=source.model,
        encoder_fingerprint=source.encoder_fingerprint,
        dim=source.dim,
        regions=source.regions,
        count=len(source.ids),
        change_number=source.change_number,
        factory=filled.factory,
        calibration=filled.calibration,
        backgrounds=backgrounds,
        fields=summaries(source.attributes),
        milvus=filled.milvus,
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


def _verify(name: str, index: VectorIndex, ids: NDArray[np.int64]) -> None:
    """Ask it, as a server will, for images that it must find."""
    for image_id in ids[:: max(1, len(ids) // 10)].tolist():
        vector = index.vector_of(image_id)
        if vector is None:
            raise VersionDamaged(f"{name}: image {image_id} has no vector")
        hits = index.search(_unit(vector), 1, recall=1.0, modality="image")
        if hits.scores[0, 0] < 1 - 1e-2:
            raise VersionDamaged(f"{name}: image {image_id} does not find itself")


def _unit(vector: NDArray[np.float32]) -> Embeddings:
    return (vector / np.linalg.norm(vector))[None]
