"""The index that is built anew by itself, before too much lies beside it."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from app.jobs import repository, service
from app.jobs.errors import JobRunning
from app.jobs.queue import JobQueue
from app.jobs.schemas import UNFINISHED, JobKind, JobState
from indexer.catalog.db import Database, database_now
from indexer.catalog.tables import Collection, Image, IndexVersion, Tombstone
from indexer.errors import UnknownCollection

logger = logging.getLogger(__name__)

_AGAIN_AFTER = timedelta(minutes=10)
"""One that came to nothing, or was cancelled, is not asked for again at once."""


def submit_due(database: Database, queue: JobQueue, after_changes: int) -> None:
    """Of each collection of which more than `after_changes` images were written or deleted since
    its index was built; 0: of none.
    """
    if not after_changes:
        return
    with database.read() as session:
        due = [
            owner.name
            for owner, since in _changed(session)
            if _is_due(session, owner, since, after_changes)
        ]
    for name in due:
        logger.info("collection %s has changed enough for a new index", name)
        with suppress(JobRunning, UnknownCollection):
            service.submit(database, queue, name, JobKind.FOLD, {})


def _changed(session: Session) -> Iterable[Row[Collection, int]]:
    """Collections that changed since an index was built, and the change number of that: of the
    newest version of the collection's encoder, and not of the active one, as after a rollback
    there is nothing to build that is not built.
    """
    newest = (
        select(func.max(IndexVersion.change_number))
        .where(
            IndexVersion.collection_id == Collection.id,
            IndexVersion.encoder_fingerprint == Collection.encoder_fingerprint,
        )
        .scalar_subquery()
    )
    since = func.coalesce(newest, 0)
    return session.execute(select(Collection, since).where(Collection.change_number > since)).all()


def _is_due(session: Session, owner: Collection, since: int, after_changes: int) -> bool:
    return (
        not _is_being_written(session, owner)
        and repository.unfinished_of(session, owner.id) is None
        and _changes(session, owner.id, since, after_changes + 1) > after_changes
        and not _came_to_nothing(session, owner.id)
    )


def _is_being_written(session: Session, owner: Collection) -> bool:
    """By a run of the command line, for one, which will publish itself."""
    return owner.lease_until is not None and owner.lease_until > database_now(session)


def _changes(session: Session, collection_id: int, since: int, enough: int) -> int:
    """Images written or deleted since, counted up to `enough`."""
    changed = 0
    for table in (Image, Tombstone):
        rows = (
            select(table.change_number)
            .where(table.collection_id == collection_id, table.change_number > since)
            .limit(enough)
        )
        changed += session.scalars(select(func.count()).select_from(rows.subquery())).one()
    return changed


def _came_to_nothing(session: Session, collection_id: int) -> bool:
    last = repository.last_of(session, collection_id, JobKind.FOLD)
    if last is None or last.state in UNFINISHED or last.finished_at is None:
        return False
    published = last.state == JobState.SUCCEEDED and bool(last.result and last.result["published"])
    return not published and database_now(session) - last.finished_at < _AGAIN_AFTER
