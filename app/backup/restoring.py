"""Restoring a backup into a database and a data folder that hold nothing yet.

Files come first, aside; then all rows in one transaction, at the end of which the files are put
where they belong. Nothing that is interrupted bars the next attempt: files that are there without
rows stay, if they are the backup's own, and what is missing comes beside them.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, literal, select
from sqlalchemy.exc import SQLAlchemyError

from app.backup import catalog_file
from app.backup.contents import NamedFile
from app.backup.copying import Copying
from app.backup.errors import BackupDamaged, BackupRefused
from app.backup.folder import COLLECTIONS, FILES, unnamed
from app.backup.manifest import Manifest
from app.backup.tables import activate, backed_up, copy_tables, without_active
from app.backup.verification import verify_backup
from indexer.catalog import db
from indexer.catalog.db import Database
from indexer.durable import fsync_folder
from indexer.errors import CatalogError
from indexer.progress import Progress

_ASIDE = ".restoring"


def restore_backup(root: Path, url: str, data_dir: Path, progress: Progress) -> Manifest:
    """The backup in the folder `root`, verified, into the database at `url`, which is migrated.

    Raises BackupRefused where one of the two is not empty, or the backup of a later edition;
    BackupDamaged. Nothing was written then.
    """
    verified = verify_backup(root, progress)
    if verified.faults:
        raise BackupDamaged(_told(verified.faults))
    manifest = verified.manifest
    catalog_file.require_known(manifest.revision)
    catalog = root / manifest.catalog.name
    with catalog_file.read(catalog) as listed:
        _require_no_other_files(data_dir / COLLECTIONS, listed)
    with (
        _empty_database(url) as database,
        _aside(data_dir) as aside,
        catalog_file.read_current(catalog, manifest.revision, aside) as source,
    ):
        place = data_dir / COLLECTIONS
        was_placed = place.is_dir() and any(place.iterdir())
        files = place if was_placed else aside / COLLECTIONS
        _copy_files(source, root / FILES, files, manifest.files, progress)
        with database.write() as session:
            _require_no_rows(session.connection())
            _put_rows(source, session.connection(), progress)
            if not was_placed:
                files.rename(place)
            fsync_folder(data_dir)
    return manifest


def _told(faults: list[str]) -> str:
    more = f", and {len(faults) - 1} more faults" if len(faults) > 1 else ""
    return f"the backup is damaged, nothing was restored: {faults[0]}{more}"


def _require_no_other_files(collections: Path, catalog: Connection) -> None:
    """None but those that the catalog lists, whose names never come again."""
    if any(unnamed(collections, catalog)):
        raise BackupRefused(
            f"{collections} is not empty: a backup is restored into a data folder without "
            "collections"
        )


@contextmanager
def _empty_database(url: str) -> Iterator[Database]:
    """Migrated, once it is known to hold nothing."""
    database = Database(url)
    try:
        with database.engine.connect() as connection:
            _require_no_rows(connection)
    except SQLAlchemyError as error:
        raise CatalogError(f"the database cannot be used: {error.__cause__ or error}") from error
    finally:
        database.close()
    db.upgrade(url)
    try:
        yield database
    finally:
        database.close()


def _require_no_rows(connection: Connection) -> None:
    """Tables of an earlier revision may lack columns, or be missing."""
    there = set(inspect(connection).get_table_names())
    for table in backed_up():
        if table.name in there and connection.scalar(
            select(literal(1)).select_from(table).limit(1)
        ):
            raise BackupRefused(
                f"the database is not empty, its table {table.name} has rows: a backup is "
                "restored into a new one"
            )


@contextmanager
def _aside(data_dir: Path) -> Iterator[Path]:
    """A folder in the data folder that is not looked at; what a crash left there goes."""
    aside = data_dir / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    (aside / COLLECTIONS).mkdir(parents=True)
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _copy_files(
    catalog: Connection, source: Path, target: Path, count: int, progress: Progress
) -> None:
    progress.start("files", count)
    listed = select(catalog_file.FILES.c.path, catalog_file.FILES.c.sha256)
    files = (NamedFile(*row) for row in catalog.execute(listed))
    for _ in Copying(source, target).copy(files, progress):
        pass


def _put_rows(source: Connection, target: Connection, progress: Progress) -> None:
    progress.start("catalog", None)
    copy_tables(source, target, without_active, progress)
    activate(source, target)
