"""The catalog of a backup: a SQLite file, written once and read without a trace.

Besides the tables of the catalog it has a list of the backup's files.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    NullPool,
    String,
    Table,
    Text,
    create_engine,
    select,
)

from app.backup.errors import BackupRefused
from app.backup.manifest import PRIVATE
from indexer.catalog import db
from indexer.catalog.db import Database
from indexer.durable import fsync_file, fsync_folder

FILES = Table(
    "backup_files",
    MetaData(),
    Column("path", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
)


@contextmanager
def created(path: Path) -> Iterator[Database]:
    """A new one, with tables and no rows; durable, and one file, when the context is left."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL, PRIVATE))
    url = f"sqlite:///{path}"
    db.upgrade(url)
    database = Database(url, foreign_keys=False)
    try:
        FILES.create(database.engine)
        yield database
    finally:
        database.close()
    # Whoever reads it may be unable to write: no log beside it, as WAL would ask for.
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    fsync_file(path)
    fsync_folder(path.parent)


@contextmanager
def read(path: Path) -> Iterator[Connection]:
    """Not a byte of the file changes, nor of its folder."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=NullPool
    )
    with engine.connect() as connection:
        yield connection


def revision_of(catalog: Connection) -> str:
    """Of its tables."""
    return str(MigrationContext.configure(catalog).get_current_revision())


def is_current(revision: str) -> bool:
    """Whether tables of that revision are those of this program."""
    return revision == _script().get_current_head()


def require_known(revision: str) -> None:
    """Raises BackupRefused where this program cannot bring tables of that revision to its own."""
    try:
        _script().get_revision(revision)
    except CommandError as error:
        raise BackupRefused(
            f"the backup's tables are at revision {revision}, which this program does not know: "
            "restore it with the edition that made it, or a later one"
        ) from error


@contextmanager
def read_current(path: Path, revision: str, scratch: Path) -> Iterator[Connection]:
    """At this program's revision: of an older one, a copy in the folder `scratch` that was
    migrated.
    """
    if is_current(revision):
        with read(path) as connection:
            yield connection
        return
    with TemporaryDirectory(prefix=".catalog-", dir=scratch) as folder:
        migrated = Path(folder) / path.name
        shutil.copyfile(path, migrated)
        db.upgrade(f"sqlite:///{migrated}")
        with read(migrated) as connection:
            yield connection


def recorded(catalog: Connection, paths: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of those of the files that the backup holds."""
    chosen = select(FILES).where(FILES.c.path.in_(paths))
    return {path: (size, sha256) for path, size, sha256 in catalog.execute(chosen)}


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(db.alembic_config(""))
