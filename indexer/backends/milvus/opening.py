"""A version in Milvus, as servers and builds open it."""

from pathlib import Path

from indexer.backends.milvus import schema
from indexer.backends.milvus.columns import MilvusColumns
from indexer.backends.milvus.connection import (
    BUILD_SECONDS,
    SEARCH_SECONDS,
    Milvus,
    MilvusOptions,
    connect,
)
from indexer.backends.milvus.fields import read_kinds
from indexer.backends.milvus.index import MilvusIndex
from indexer.errors import IndexAway, VersionDamaged
from indexer.versions.manifest import Manifest, MilvusPlace


def open_in_milvus(
    folder: Path,
    manifest: Manifest,
    count: int,
    options: MilvusOptions | None,
    *,
    is_patient: bool = True,
) -> tuple[MilvusIndex, MilvusColumns]:
    """Blocking: of a version that holds so many images, once Milvus has it loaded; who is not
    patient gets an IndexAway as long as it has not.

    Raises IndexAway; VersionDamaged where Milvus has no such collection, or nothing in it.
    """
    place = place_of(folder, manifest)
    if options is None:
        raise IndexAway(f"{folder.name} is in Milvus, and NOONGIL_MILVUS_URI says nothing of it")
    milvus = connect(options)
    if not milvus.has(place.collection):
        raise VersionDamaged(f"{folder.name}: Milvus has no collection {place.collection}")
    if is_patient:
        schema.load(milvus, place.collection)
    elif not schema.is_loaded(milvus, place.collection):
        raise IndexAway(f"Milvus is loading {place.collection}")
    if count and not milvus.count(
        place.collection, BUILD_SECONDS if is_patient else SEARCH_SECONDS
    ):
        raise VersionDamaged(f"{folder.name}: {place.collection} of Milvus is empty")
    return seen(milvus, folder, manifest, count)


def require_full(
    folder: Path, manifest: Manifest, count: int, options: MilvusOptions | None
) -> None:
    """Raises VersionDamaged unless Milvus holds exactly so many images of it; IndexAway."""
    open_in_milvus(folder, manifest, count, options)
    place = place_of(folder, manifest)
    held = 0 if options is None else connect(options).count(place.collection)
    if held != count:
        what = f"{place.collection} of Milvus holds {held} images of {count}"
        raise VersionDamaged(f"{folder.name}: {what}")


def seen(
    milvus: Milvus, folder: Path, manifest: Manifest, count: int
) -> tuple[MilvusIndex, MilvusColumns]:
    """The same of one that is loaded; Milvus is asked nothing. Raises VersionDamaged."""
    place = place_of(folder, manifest)
    dim, calibration = manifest.dim, manifest.calibration
    index = MilvusIndex(milvus, place.collection, dim, count, place.nlist, calibration)
    return index, MilvusColumns(milvus, place.collection, read_kinds(folder, manifest))


def place_of(folder: Path, manifest: Manifest) -> MilvusPlace:
    """Raises VersionDamaged."""
    if manifest.milvus is None:
        raise VersionDamaged(f"{folder.name}: its manifest names no collection of Milvus")
    return manifest.milvus
