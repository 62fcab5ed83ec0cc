"""Which version serves: prepare, switch.

A version's row comes after its folder is whole and verified, and names it the next: servers open
it while the one before still answers. Then one transaction switches. A crash before the row
leaves a folder that no row names, which the next run sweeps away; a crash before the switch
leaves a version that is ready, which the next run switches to.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy.orm import Session

from indexer.backends.milvus.connection import connect
from indexer.backends.milvus.versions import point
from indexer.building.build import BuiltVersion
from indexer.catalog import repository
from indexer.catalog.tables import Collection, IndexVersion
from indexer.embedding.missing import MissingEmbeddings, count_missing
from indexer.errors import LeaseLost, UnknownCollection
from indexer.live import servers
from indexer.versions.manifest import read_manifest
from indexer.writing import Writing

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.05
_FEW = 8
"""Pictures that are embedded while writers wait for the switch."""
_ROUNDS = 20


def add_version(work: Writing, built: BuiltVersion) -> IndexVersion:
    """The row of a built version, which is the next from now on. Raises LeaseLost."""
    manifest = built.manifest
    with work.database.write() as session:
        owner = work.lease.guard(session)
        version = IndexVersion(
            collection_id=owner.id,
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
        _announce(session, owner, version)
        return version


@contextmanager
def announced(work: Writing, version: IndexVersion) -> Iterator[None]:
    """An older version is the next, until it is the active one or an error ends it. Raises
    LeaseLost.
    """
    with work.database.write() as session:
        _announce(session, work.lease.guard(session), version)
    try:
        yield
    except BaseException:
        with suppress(LeaseLost, UnknownCollection), work.database.write() as session:
            _announce(session, work.lease.guard(session), None)
        raise


def switch_to(
    work: Writing,
    version: IndexVersion,
    missing: MissingEmbeddings | None,
    lost: Sequence[int] = (),
) -> bool:
    """Make the next version the active one, once servers have opened it and all that was written
    meanwhile has an embedding of its encoder. False where, without `missing`, something has none.

    The images `lost`, which the version no longer holds, go with the switch, but for those that
    the API has taken over since. Raises LeaseLost.
    """
    work.progress.start("switch", None)
    _await_servers(work, version)
    if missing is not None:
        _catch_up(work, missing)
    is_switched = _switch(work, version, missing, lost)
    if is_switched and (options := work.options.build.milvus) is not None:
        point(connect(options), work.folder.root.name, version.name)
    return is_switched


def _catch_up(work: Writing, missing: MissingEmbeddings) -> None:
    """Until so few are left that the switch can take them along."""
    for _ in range(_ROUNDS):
        missing.embed(work.progress)
        with work.database.read() as session:
            if missing.count(session) <= _FEW:
                return


def _await_servers(work: Writing, version: IndexVersion) -> None:
    """Until every server has opened it, or has said why it cannot, or the time is up."""
    over = time.monotonic() + work.options.switch_wait_seconds
    while True:
        with work.database.read() as session:
            awaited = servers.waited_for(session, version.id)
        if not awaited:
            return
        if time.monotonic() > over:
            logger.warning("switching, though %d servers have not opened it yet", len(awaited))
            return
        work.progress.advance(0)
        time.sleep(_LOOK_SECONDS)


def _switch(
    work: Writing, version: IndexVersion, missing: MissingEmbeddings | None, lost: Sequence[int]
) -> bool:
    dim = read_manifest(work.folder.version(version.name)).dim
    with work.database.write() as session:
        owner = work.lease.guard(session)
        if missing is not None:
            missing.embed_within(session)
        elif missing_of(session, version):
            return False
        version = session.get_one(IndexVersion, version.id)
        if gone := repository.not_of_api(session, lost):
            number = repository.bump_change_number(session, owner.id)
            repository.bury(session, gone, number, is_final=False)
            if number == version.change_number + 1:  # nothing else was written since
                version.change_number = number
        owner.active_version_id, owner.next_version_id = version.id, None
        owner.model, owner.dim = version.model, dim
        owner.encoder_fingerprint = version.encoder_fingerprint
        repository.announce_change(session)
    return True


def missing_of(session: Session, version: IndexVersion) -> int:
    """Contents that were written since the version was made, and that its encoder has not seen."""
    return count_missing(
        session,
        version.collection_id,
        version.encoder_fingerprint,
        after=version.change_number,
    )


def _announce(session: Session, owner: Collection, version: IndexVersion | None) -> None:
    owner.next_version_id = version.id if version else None
    repository.announce_change(session)
