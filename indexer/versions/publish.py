"""Which version serves: publish, activate, collect garbage.

A version becomes visible in one transaction, after its folder is whole and verified. A
crash before that leaves a folder that no row names, and the next run sweeps it away.
"""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from indexer.building.build import BuiltVersion
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection, Image, IndexVersion, Shard, Source
from indexer.embedding.shards import unlisted
from indexer.layout import CollectionFolder
from indexer.versions.verified import read_verified

logger = logging.getLogger(__name__)


def publish(
    database: Database, collection_id: int, built: BuiltVersion, lost: Sequence[int]
) -> None:
    """Make a built version the collection's active one; its encoder becomes the collection's.

    The images `lost`, which the version no longer holds, go in the same transaction: the
    version before it is never left pointing at rows that are gone.
    """
    manifest = built.manifest
    with database.write() as session:
        owner = session.get_one(Collection, collection_id)
        version = IndexVersion(
            collection_id=collection_id,
            name=built.name,
            model=manifest.model,
            encoder_fingerprint=manifest.encoder_fingerprint,
            factory=manifest.factory,
            count=manifest.count,
            size_bytes=manifest.size_bytes,
            change_number=manifest.change_number,
        )
        session.add(version)
        session.flush()
        _switch(owner, version, manifest.dim)
        repository.delete_images(session, lost)


def activate(database: Database, folder: CollectionFolder, collection: str, version: str) -> None:
    """Serve an earlier version again.

    Raises UnknownVersion; VersionDamaged before anything is switched; CollectionBusy while an
    indexing run, which would sweep old versions, is at work.
    """
    with folder.lock():
        with database.read() as session:
            owner = repository.collection(session, collection)
            repository.version(session, owner, version)
        manifest, _ = read_verified(folder.version(version))
        with database.write() as session:
            owner = repository.collection(session, collection)
            _switch(owner, repository.version(session, owner, version), manifest.dim)


def collect_garbage(
    database: Database, collection_id: int, folder: CollectionFolder, keep: int
) -> None:
    """Delete old versions beyond `keep`, never the active one, and files that no row names.

    The caller holds the collection's lock. A server that has a deleted version open goes
    on reading it: the files live until it lets go.
    """
    with database.write() as session:
        owner = session.get_one(Collection, collection_id)
        for version in repository.versions(session, collection_id)[keep:]:
            if version.id != owner.active_version_id:
                session.delete(version)
        _forget_unused(session, collection_id)
    with database.read() as session:
        versions = {version.name for version in repository.versions(session, collection_id)}
        paths = session.scalars(select(Shard.path).where(Shard.collection_id == collection_id))
        strays = unlisted(folder.shards, paths) + unlisted(folder.versions, versions)
    strays += unlisted(folder.verified, {f"{name}.json" for name in versions})
    for path in strays:
        _remove(path)


def _remove(path: Path) -> None:
    logger.info("removing %s", path)
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        # The next run tries again; this one has better to do than to fail over old files.
        logger.warning("cannot remove %s: %s", path, error)


def _switch(owner: Collection, version: IndexVersion, dim: int) -> None:
    owner.active_version_id = version.id
    owner.model = version.model
    owner.encoder_fingerprint = version.encoder_fingerprint
    owner.dim = dim


def _forget_unused(session: Session, collection_id: int) -> None:
    """Shards and sources that no image points to."""
    for table, pointer in ((Shard, Image.shard_id), (Source, Image.source_id)):
        used = select(Image.id).where(pointer == table.id).exists()
        session.execute(delete(table).where(table.collection_id == collection_id, ~used))
