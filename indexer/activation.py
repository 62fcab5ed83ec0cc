"""Serve an earlier version again, or a later one: with its encoder, and with all that was written
since it was made.
"""

from collections.abc import Callable

from indexer.backends.opening import require_servable
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection, IndexVersion
from indexer.embedding.known import read_embedded
from indexer.errors import CollectionMixed
from indexer.versions.publish import announced, missing_of, switch_to
from indexer.writing import Writing
from models.encoder_pool import pool_of
from models.types import Encoder


def activate(work: Writing, name: str, encoder_of: Callable[[str], Encoder]) -> None:
    """Raises UnknownVersion; VersionDamaged, IndexAway before anything is switched; LeaseLost,
    ModelError, CollectionMixed.
    """
    with work.database.read() as session:
        owner = session.get_one(Collection, work.collection_id)
        version = repository.version(session, owner, name)
        is_ready = not missing_of(session, version)
    require_servable(work.folder.version(name), version.count, work.options.build.milvus)
    with announced(work, version):
        if not (is_ready and switch_to(work, version, None)):
            _embed_and_switch(work, version, encoder_of)


def _embed_and_switch(
    work: Writing, version: IndexVersion, encoder_of: Callable[[str], Encoder]
) -> None:
    fingerprint = version.encoder_fingerprint
    embedded = read_embedded(
        work.database, work.collection_id, work.folder, fingerprint, work.progress
    )
    encoder = encoder_of(version.model)
    if encoder.spec.fingerprint != fingerprint:
        raise CollectionMixed(
            f"version {version.name} was made by another edition of {version.model}, and this one "
            "cannot embed for it what was written since: reindex"
        )
    with pool_of(encoder) as pool:
        after = version.change_number
        switch_to(work, version, work.missing(embedded, encoder, pool, after=after))


def is_complete(database: Database, collection: str, name: str) -> bool:
    """Whether all that was written since the version was made has an embedding of its encoder.

    Raises UnknownCollection, UnknownVersion.
    """
    with database.read() as session:
        owner = repository.collection(session, collection)
        return not missing_of(session, repository.version(session, owner, name))
