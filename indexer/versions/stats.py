"""What a version holds, what it costs, and what lies beside it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from indexer.backends.opening import ImageIndex, open_version
from indexer.building.index_spec import IndexFamily
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Embedding, Image, Shard
from indexer.layout import CollectionFolder
from indexer.versions.manifest import IDS, INDEX, Manifest, read_manifest

_FAMILIES = {
    "Flat": IndexFamily.FLAT,
    "x4fs": IndexFamily.IVF_PQ,
    "x8": IndexFamily.IVF_PQ8,
    "RaBitQ": IndexFamily.IVF_RABITQ,
    "SQ8": IndexFamily.IVF_SQ8,
}
"""How their factory strings end."""
_IN_MILVUS = {
    "FLAT": IndexFamily.FLAT,
    "IVF_PQ": IndexFamily.IVF_PQ,
    "IVF_RABITQ": IndexFamily.IVF_RABITQ,
    "IVF_SQ8": IndexFamily.IVF_SQ8,
}


@dataclass(frozen=True)
class ListBalance:
    """Of the inverted lists."""

    lists: int
    empty: int
    largest: int
    imbalance: float
    """Codes in the lists that a search meets, relative to lists of equal length: 1 is best."""


@dataclass(frozen=True)
class ShardStats:
    """Stored embeddings of the whole collection, those that an earlier encoder made among them."""

    shards: int
    rows: int
    size_bytes: int
    missing: int
    """Shards whose file is not there: their images are embedded again by the next run."""
    unused_rows: int
    """Rows of pictures that no image shows any more."""


@dataclass(frozen=True)
class VersionStats:
    name: str
    is_active: bool
    manifest: Manifest
    images: int
    """Those that it was made of and, in Milvus, absorbed since."""
    balance: ListBalance | None
    """None where search is exact, or Milvus has the lists."""
    waiting: int
    """Images of the collection that the version does not hold."""
    gone: int
    """Images of the version that the collection does not hold."""
    shards: ShardStats

    @property
    def family(self) -> IndexFamily:
        factory = self.manifest.factory
        if self.manifest.milvus is not None:
            return _IN_MILVUS[factory.removeprefix("Milvus ").partition(",")[0]]
        return next(family for end, family in _FAMILIES.items() if factory.endswith(end))

    @property
    def resident_bytes(self) -> int:
        """What searching keeps in memory: codes, ids, centroids."""
        return sum(entry.size for name, entry in self.manifest.files.items() if _is_resident(name))

    @property
    def mapped_bytes(self) -> int:
        """What is read from disk as it is needed, and kept in memory while there is room."""
        return self.manifest.size_bytes - self.resident_bytes


def version_stats(
    database: Database, collection: str, folder: CollectionFolder, version: str
) -> VersionStats:
    """Of a version in Milvus as the catalog has it: its images are counted, not compared.

    Raises UnknownCollection, UnknownVersion, VersionDamaged.
    """
    with database.read() as session:
        owner = repository.collection(session, collection)
        row = repository.version(session, owner, version)
        ids = image_ids(session, owner.id)
        shards = _shard_stats(session, owner.id, folder)
        held, is_active = row.count, row.id == owner.active_version_id
    manifest, balance = read_manifest(folder.version(version)), None
    both = min(held, len(ids))
    if manifest.milvus is None:
        manifest, index = open_version(folder.version(version))
        held = index.count
        both = int(np.count_nonzero(np.isin(index.ids, ids, assume_unique=True)))
        balance = None if manifest.is_exact else _balance(index)
    return VersionStats(
        name=version,
        is_active=is_active,
        manifest=manifest,
        images=held,
        balance=balance,
        waiting=len(ids) - both,
        gone=held - both,
        shards=shards,
    )


def image_ids(session: Session, collection_id: int) -> NDArray[np.int64]:
    """Of all images of the collection, ascending."""
    found = select(Image.id).where(Image.collection_id == collection_id).order_by(Image.id)
    return np.fromiter(session.scalars(found.execution_options(yield_per=10_000)), np.int64)


def _is_resident(name: str) -> bool:
    return name in {INDEX, IDS}


def _balance(index: ImageIndex) -> ListBalance:
    sizes = index.list_sizes
    return ListBalance(
        lists=len(sizes),
        empty=int(np.count_nonzero(sizes == 0)),
        largest=int(sizes.max()),
        imbalance=float(len(sizes) * np.sum(sizes**2) / np.sum(sizes) ** 2),
    )


def _shard_stats(session: Session, collection_id: int, folder: CollectionFolder) -> ShardStats:
    shards = session.execute(
        select(Shard.path, Shard.rows).where(Shard.collection_id == collection_id)
    ).all()
    used = (
        select(func.count())
        .select_from(Embedding)
        .where(Embedding.collection_id == collection_id, Embedding.shard_id.is_not(None))
    )
    files = [folder.shards / shard.path for shard in shards]
    sizes = [file.stat().st_size for file in files if file.is_file()]
    rows = sum(shard.rows for shard in shards)
    return ShardStats(
        shards=len(shards),
        rows=rows,
        size_bytes=sum(sizes),
        missing=len(shards) - len(sizes),
        unused_rows=rows - session.scalars(used).one(),
    )
