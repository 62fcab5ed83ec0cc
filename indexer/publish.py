"""Which version serves: publish, activate, collect garbage.

A version becomes visible in one transaction, after its folder is whole and verified. A
crash before that leaves a folder that no row names, and the next run sweeps it away.
"""

import logging
import shutil

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from indexer import shards
from indexer.build import BuiltVersion
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection, Image, IndexVersion, Shard
from indexer.layout import CollectionFolder
from indexer.manifest import read_verified

logger = logging.getLogger(__name__)


def publish(database: Database, collection_id: int, built: BuiltVersion) -> None:
    """Make a built version the collection's active one; its encoder becomes the collection's."""
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


def activate(database: Database, folder: CollectionFolder, collection: str, version: str) -> None:
    """Serve an earlier version again. Raises UnknownVersion, or VersionDamaged before switching."""
    with database.write() as session:
        owner = repository.collection(session, collection)
        chosen = repository.version(session, owner, version)
        _switch(owner, chosen, read_verified(folder.version(version)).dim)


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
        _forget_unused_shards(session, collection_id)
    with database.read() as session:
        versions = {version.name for version in repository.versions(session, collection_id)}
        paths = session.scalars(select(Shard.path).where(Shard.collection_id == collection_id))
        shards.remove_unlisted(folder.shards, paths)
    for path in folder.versions.iterdir():
        if path.name not in versions:
            logger.info("removing %s", path)
            shutil.rmtree(path)


def _switch(owner: Collection, version: IndexVersion, dim: int) -> None:
    owner.active_version_id = version.id
    owner.model = version.model
    owner.encoder_fingerprint = version.encoder_fingerprint
    owner.dim = dim


def _forget_unused_shards(session: Session, collection_id: int) -> None:
    used = select(Image.id).where(Image.shard_id == Shard.id).exists()
    session.execute(delete(Shard).where(Shard.collection_id == collection_id, ~used))
