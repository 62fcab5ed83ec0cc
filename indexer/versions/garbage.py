"""What nobody needs any more: old versions, embeddings, tombstones, files."""

import logging
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from indexer.backends.milvus.connection import connect
from indexer.backends.milvus.versions import held, point, release, sweep
from indexer.catalog import repository
from indexer.catalog.db import Database, database_now
from indexer.catalog.tables import (
    API_SOURCE,
    Collection,
    Embedding,
    Image,
    IndexVersion,
    Shard,
    Source,
    Tombstone,
)
from indexer.layout import CollectionFolder
from indexer.live import servers
from indexer.live.picture_store import PictureStore
from indexer.writing import Writing

logger = logging.getLogger(__name__)

_UNFINISHED_KEPT = timedelta(days=7)
"""Shards of an encoder that no version is of: a run that was cancelled may be taken up again."""


def collect_garbage(work: Writing) -> None:
    """Delete versions beyond the newest that are kept, and what nothing points to.

    Never the active version, nor the next, nor one that a server has open. Raises LeaseLost.
    """
    database, folder = work.database, work.folder
    # Before it is known that the lease is still held: what another owner writes is not among them.
    files = [*folder.shards.iterdir(), *folder.versions.iterdir(), *folder.verified.iterdir()]
    options = work.options.build.milvus
    in_milvus = None if options is None else held(connect(options), folder.root.name)
    with database.write() as session:
        owner = work.lease.guard(session)
        servers.forget_gone(session)
        kept = _keep_versions(session, owner, work.options.keep_versions)
        _forget_embeddings(session, owner, kept)
        _forget_tombstones(session, owner, kept)
        _forget_unused(session, owner.id)
        named = _named(session, folder, owner.id, kept)
        active = session.get(IndexVersion, owner.active_version_id or 0)
        needed = servers.versions_in_use(session) | {owner.active_version_id, owner.next_version_id}
    for path in files:
        if path not in named:
            _remove(path)
    if options is not None and in_milvus is not None:
        milvus, name = connect(options), folder.root.name
        point(milvus, name, active.name if active else None)
        sweep(milvus, name, in_milvus, [version.name for version in kept])
        release(milvus, name, [version.name for version in kept if version.id not in needed])
    PictureStore(folder.pictures).collect(lambda hashes: _referenced(database, owner.id, hashes))


def _keep_versions(session: Session, owner: Collection, keep: int) -> list[IndexVersion]:
    """Those that stay."""
    needed = servers.versions_in_use(session) | {owner.active_version_id, owner.next_version_id}
    kept = []
    for number, version in enumerate(repository.versions(session, owner.id)):
        if number < keep or version.id in needed:
            kept.append(version)
        else:
            session.delete(version)
    session.flush()
    return kept


def _forget_embeddings(session: Session, owner: Collection, kept: Sequence[IndexVersion]) -> None:
    """Of contents that no image has, and of encoders that no version is of."""
    has_image = (
        select(Image.id)
        .where(
            Image.collection_id == Embedding.collection_id,
            Image.content_hash == Embedding.content_hash,
        )
        .exists()
    )
    ours = Embedding.collection_id == owner.id
    session.execute(delete(Embedding).where(ours, ~has_image))
    fingerprints = {owner.encoder_fingerprint, *(version.encoder_fingerprint for version in kept)}
    oldest = database_now(session) - _UNFINISHED_KEPT
    abandoned = select(Shard.id).where(
        Shard.collection_id == owner.id,
        Shard.encoder_fingerprint.not_in(fingerprints),
        Shard.created_at < oldest,
    )
    foreign = Embedding.encoder_fingerprint.not_in(fingerprints)
    session.execute(delete(Embedding).where(ours, foreign, Embedding.shard_id.is_(None)))
    session.execute(delete(Embedding).where(ours, Embedding.shard_id.in_(abandoned)))


def _forget_tombstones(session: Session, owner: Collection, kept: Sequence[IndexVersion]) -> None:
    """Of what every version was made without. What the API deleted is remembered by its key."""
    if kept:
        oldest = min(version.change_number for version in kept)
        session.execute(
            delete(Tombstone).where(
                Tombstone.collection_id == owner.id,
                Tombstone.change_number <= oldest,
                ~Tombstone.is_final,
            )
        )


def _forget_unused(session: Session, collection_id: int) -> None:
    """Shards that no embedding points to, and sources that no image does."""
    shard_used = select(Embedding.content_hash).where(Embedding.shard_id == Shard.id).exists()
    session.execute(delete(Shard).where(Shard.collection_id == collection_id, ~shard_used))
    source_used = select(Image.id).where(Image.source_id == Source.id).exists()
    session.execute(
        delete(Source).where(
            Source.collection_id == collection_id, Source.uri != API_SOURCE, ~source_used
        )
    )


def _named(
    session: Session, folder: CollectionFolder, collection_id: int, kept: Sequence[IndexVersion]
) -> set[Path]:
    """Files and folders that rows name."""
    paths = session.scalars(select(Shard.path).where(Shard.collection_id == collection_id))
    return {
        *(folder.shards / path for path in paths),
        *(folder.version(version.name) for version in kept),
        *(folder.verified / f"{version.name}.json" for version in kept),
    }


def _referenced(database: Database, collection_id: int, hashes: Sequence[str]) -> set[str]:
    with database.read() as session:
        return set(
            session.scalars(
                select(Image.content_hash).where(
                    Image.collection_id == collection_id, Image.content_hash.in_(hashes)
                )
            )
        )


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
