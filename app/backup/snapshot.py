"""A database as it is at one moment, into the catalog of a backup.

One transaction reads it all: in SQLite a reader sees what was committed before it began, and so
does one of PostgreSQL at REPEATABLE READ. Writers go on meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Table, select

from app.backup.manifest import KeptVersions
from app.backup.tables import Row, copy_tables
from app.jobs.schemas import UNFINISHED, JobState
from app.jobs.tables import Job
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection, IndexVersion, now
from indexer.layout import CollectionFolder
from indexer.progress import Progress
from indexer.versions.manifest import read_manifest

_UNFINISHED_JOB = "the backup that was restored was taken before the job had ended"


@dataclass(frozen=True)
class Snapshot:
    taken_at: datetime
    rows: dict[str, int]
    """Of each table."""


def take_snapshot(
    database: Database,
    collections: Path,
    catalog: Database,
    kept: KeptVersions,
    progress: Progress,
) -> Snapshot:
    """Of the database, whose files are in `collections`, into the empty tables of the catalog.

    Raises VersionDamaged where the manifest of a version is not there.
    """
    progress.start("catalog", None)
    with _at_one_moment(database) as source, catalog.engine.begin() as target:
        resting = _Resting(now(), _versions_to_keep(source, kept, collections))
        return Snapshot(resting.taken_at, copy_tables(source, target, resting.row, progress))


@contextmanager
def _at_one_moment(database: Database) -> Iterator[Connection]:
    engine = database.engine
    is_postgresql = engine.dialect.name == "postgresql"
    if is_postgresql:
        engine = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
    with engine.connect() as connection, connection.begin():
        if is_postgresql:  # SQLite stores no zone: all times there are in UTC
            connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        yield connection


def _versions_to_keep(source: Connection, kept: KeptVersions, collections: Path) -> set[int]:
    """Ids. A version in Milvus is not among them: here there is nothing of it but a manifest."""
    if kept is KeptVersions.NONE:
        return set()
    chosen = select(IndexVersion.id, IndexVersion.name, Collection.folder).join(
        Collection, Collection.id == IndexVersion.collection_id
    )
    if kept is KeptVersions.ACTIVE:
        chosen = chosen.where(Collection.active_version_id == IndexVersion.id)
    return {
        version_id
        for version_id, name, folder in source.execute(chosen)
        if read_manifest(CollectionFolder(collections / folder).version(name)).milvus is None
    }


@dataclass(frozen=True)
class _Resting:
    """What rows are where nothing is at work: no lease, no unfinished job, no other version."""

    taken_at: datetime
    versions: set[int]

    def row(self, table: Table, row: Row) -> Row | None:
        if table is Collection.__table__:
            return row | self._collection(row)
        if table is IndexVersion.__table__:
            return row if row["id"] in self.versions else None
        if table is Job.__table__ and row["state"] in UNFINISHED:
            return row | self._unfinished()
        return row

    def _collection(self, row: Row) -> Row:
        names = ("active_version_id", "next_version_id")
        held = {name: row[name] if row[name] in self.versions else None for name in names}
        return held | {"lease_owner": None, "lease_until": None}

    def _unfinished(self) -> Row:
        return {
            "state": JobState.FAILED,
            "error": _UNFINISHED_JOB,
            "owner": None,
            "finished_at": self.taken_at,
        }
