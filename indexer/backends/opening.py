"""The index of a version, from its files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.backends.faiss_index import FaissIndex, read_index
from indexer.backends.milvus.connection import MilvusOptions
from indexer.backends.milvus.opening import open_in_milvus
from indexer.backends.region_index import RegionIndex
from indexer.backends.stored_vectors import map_vectors
from indexer.errors import VersionDamaged
from indexer.versions.manifest import IDS, VECTORS, Manifest
from indexer.versions.verified import read_verified

ImageIndex = FaissIndex | RegionIndex
"""Of images that are embedded whole, or by regions."""


def open_version(folder: Path) -> tuple[Manifest, ImageIndex]:
    """Verify a version's files, then open them. Raises VersionDamaged, also of one in Milvus."""
    manifest, _ = read_verified(folder)
    if manifest.milvus is not None:
        raise VersionDamaged(f"{folder.name}: its vectors are in Milvus, not in files")
    return manifest, open_files(folder, manifest)


def require_servable(folder: Path, count: int, milvus: MilvusOptions | None) -> None:
    """Whether a server could open the version, wherever it is, of so many images. Raises
    VersionDamaged, IndexAway.
    """
    manifest, _ = read_verified(folder)
    if manifest.milvus is not None:
        open_in_milvus(folder, manifest, count, milvus)


def open_files(folder: Path, manifest: Manifest) -> ImageIndex:
    """Open a version whose files were verified. Raises VersionDamaged."""
    vectors = manifest.regions * manifest.count
    try:
        ids = np.load(folder / IDS, mmap_mode="r" if manifest.count else None)
        mapped = map_vectors(folder / VECTORS, (vectors, manifest.dim))
        index = None if manifest.is_exact else read_index(folder, manifest)
    except (ValueError, RuntimeError, OSError) as error:
        raise VersionDamaged(f"{folder.name}: {error}") from error
    if len(ids) != manifest.count or (index is not None and index.ntotal != vectors):
        raise VersionDamaged(f"{folder.name}: its files hold different numbers of images")
    if manifest.regions == 1:
        return FaissIndex(index, mapped, ids, manifest.calibration)
    parts = FaissIndex(index, mapped, np.arange(vectors), manifest.calibration)
    return RegionIndex(parts, ids, manifest.regions)


def exact_search(ids: NDArray[np.int64], rows: NDArray[np.float16], regions: int) -> ImageIndex:
    """Of the rows (count, regions · dim) of images, in memory."""
    if regions == 1:
        return FaissIndex(None, rows, ids, None)
    parts = rows.reshape(regions * len(rows), rows.shape[1] // regions)
    return RegionIndex(FaissIndex(None, parts, np.arange(len(parts)), None), ids, regions)
