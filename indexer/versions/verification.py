"""Everything that a collection has on disk, read again from end to end."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from indexer.backends.milvus.connection import MilvusOptions
from indexer.backends.milvus.opening import require_full
from indexer.backends.opening import ImageIndex, open_files
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Embedding, IndexVersion, Shard, Tombstone
from indexer.embedding.shards import is_intact, read_shard
from indexer.errors import VersionDamaged
from indexer.layout import CollectionFolder
from indexer.lease import hold
from indexer.versions.attributes import open_columns
from indexer.versions.manifest import Manifest
from indexer.versions.stats import image_ids
from indexer.versions.verified import verify_all

_CHUNK = 65_536
_UNIT_TOLERANCE = 1e-2
"""float16 keeps the length of a unit vector within 0.001."""

_INDEX_AGAIN = "index the collection's sources again, or activate another version"
_BUILD_ANOTHER = "activate another version, or have one built with another --index"
_LEAVE = "do not activate it: later runs remove it"
_EMBED_AGAIN = "index the collection's sources again: what it held is embedded anew"
_START_OVER = "delete the collection, and index its sources again"


@dataclass(frozen=True)
class Fault:
    where: str
    """A version's name or a shard's path."""
    what: str
    remedy: str


@dataclass(frozen=True)
class Verification:
    versions: int
    shards: int
    faults: list[Fault]


@dataclass(frozen=True)
class _Claims:
    """What the catalog says."""

    versions: list[IndexVersion]
    active_id: int | None
    image_ids: NDArray[np.int64]
    """Those of deleted images among them: until it is built anew, an index holds them."""
    shards: list[Shard]
    last_rows: dict[int, int]
    """Shard id → the greatest row that an embedding is in."""


def verify_collection(
    database: Database,
    collection: str,
    folder: CollectionFolder,
    milvus: MilvusOptions | None = None,
) -> Verification:
    """Hash every file, whatever is remembered of it, and look at what the files hold. Of a version
    in Milvus see that it is there, with as many images as it should have.

    Holds the collection: what a run removes meanwhile would look lost. Raises
    UnknownCollection, CollectionBusy, IndexAway.
    """
    with database.read() as session:
        collection_id = repository.collection(session, collection).id
    with hold(database, collection_id):
        with database.read() as session:
            claims = _claims(session, collection)
        faults = [
            *(
                fault
                for version in claims.versions
                for fault in _of_version(version, claims, folder, milvus)
            ),
            *(fault for shard in claims.shards for fault in _of_shard(shard, claims, folder)),
        ]
    return Verification(len(claims.versions), len(claims.shards), faults)


def _claims(session: Session, collection: str) -> _Claims:
    owner = repository.collection(session, collection)
    buried = select(Tombstone.image_id).where(Tombstone.collection_id == owner.id)
    last_rows = session.execute(
        select(Embedding.shard_id, func.max(Embedding.shard_row).label("last"))
        .where(Embedding.collection_id == owner.id, Embedding.shard_id.is_not(None))
        .group_by(Embedding.shard_id)
    )
    return _Claims(
        versions=list(repository.versions(session, owner.id)),
        active_id=owner.active_version_id,
        image_ids=np.union1d(
            image_ids(session, owner.id), np.fromiter(session.scalars(buried), np.int64)
        ),
        shards=list(session.scalars(select(Shard).where(Shard.collection_id == owner.id))),
        last_rows={row.shard_id: row.last for row in last_rows},
    )


def _of_version(
    version: IndexVersion,
    claims: _Claims,
    folder: CollectionFolder,
    milvus: MilvusOptions | None,
) -> Iterator[Fault]:
    is_active = version.id == claims.active_id
    path = folder.version(version.name)
    try:
        manifest = verify_all(path)
        if manifest.milvus is not None:
            require_full(path, manifest, version.count, milvus)
            return
        index = open_files(path, manifest)
        open_columns(path, manifest)
    except VersionDamaged as damaged:
        what = str(damaged).removeprefix(f"{version.name}: ")
        yield Fault(version.name, what, _INDEX_AGAIN if is_active else _LEAVE)
        return
    for flaw in _flaws(version, manifest, index):
        yield Fault(version.name, flaw, _BUILD_ANOTHER if is_active else _LEAVE)
    unknown = np.setdiff1d(index.ids, claims.image_ids, assume_unique=True)
    if is_active and len(unknown):
        what = f"{len(unknown)} of its images are not in the catalog"
        yield Fault(version.name, what, _BUILD_ANOTHER)


def _flaws(version: IndexVersion, manifest: Manifest, index: ImageIndex) -> Iterator[str]:
    """What hashes do not show: it was built or put there as it is."""
    if (manifest.count, manifest.encoder_fingerprint) != (
        version.count,
        version.encoder_fingerprint,
    ):
        yield "the folder is another version's"
    if np.any(np.diff(index.ids) <= 0):
        yield "the ids of its images do not ascend"
    if bad := sum(_not_unit(chunk, manifest.dim) for chunk in _chunks(index.vectors)):
        yield f"{bad} vectors are not of unit length"


def _chunks(rows: NDArray[np.float16]) -> Iterator[NDArray[np.float16]]:
    return (rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK))


def _not_unit(rows: NDArray[np.float16], dim: int) -> int:
    """How many embeddings of (n, regions · dim)."""
    lengths = np.linalg.norm(rows.reshape(-1, dim).astype(np.float32), axis=1)
    return int(np.count_nonzero(~(np.abs(lengths - 1) < _UNIT_TOLERANCE)))  # NaN is not below


def _of_shard(shard: Shard, claims: _Claims, folder: CollectionFolder) -> Iterator[Fault]:
    if not is_intact(folder.shards, shard.path, shard.sha256):
        yield Fault(shard.path, "is missing or does not match its SHA-256", _EMBED_AGAIN)
        return
    rows = len(read_shard(folder.shards, shard.path))
    if rows != shard.rows:
        yield Fault(shard.path, f"holds {rows} rows, the catalog says {shard.rows}", _START_OVER)
    if (last := claims.last_rows.get(shard.id, -1)) >= rows:
        yield Fault(shard.path, f"an image points to row {last} of {rows}", _START_OVER)
