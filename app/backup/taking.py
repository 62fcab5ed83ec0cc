"""Taking a backup: a snapshot of the catalog, then the files that it names.

Servers write and runs index meanwhile. Files may be collected between the snapshot that names them
and their copying: then a new snapshot is taken, which names others.
"""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.backup import catalog_file
from app.backup.contents import files_of
from app.backup.copying import CopiedFile, Copying, Recorded
from app.backup.errors import BackupDamaged, BackupFailed, BackupRefused, FileDamaged, FileGone
from app.backup.folder import COLLECTIONS, FILES, catalog_name, sweep, verified_catalog, writable
from app.backup.manifest import (
    BACKUP,
    CatalogEntry,
    KeptVersions,
    Manifest,
    read_manifest,
    write_manifest,
)
from app.backup.snapshot import Snapshot, take_snapshot
from indexer.catalog.db import Database
from indexer.durable import sha256_of
from indexer.errors import VersionDamaged
from indexer.progress import Progress

logger = logging.getLogger(__name__)

_SNAPSHOTS = 5
_AT_ONCE = 1000
_REMEDY = (
    "`noongil index verify` says how to mend a collection, a picture is put again or deleted, and "
    "--versions none leaves index versions out"
)


@dataclass
class Copied:
    """Files that a backup names; of them, those that an earlier one had not left there."""

    files: int = 0
    size_bytes: int = 0
    new_files: int = 0
    new_bytes: int = 0

    def add(self, file: CopiedFile) -> None:
        self.files += 1
        self.size_bytes += file.size
        self.new_files += file.is_new
        self.new_bytes += file.is_new * file.size


@dataclass(frozen=True)
class Taken:
    manifest: Manifest
    copied: Copied
    removed: int
    """Files that the backup before named, and this one does not."""


def take_backup(
    database: Database, data_dir: Path, root: Path, kept: KeptVersions, progress: Progress
) -> Taken:
    """Into the folder `root`, whose backup is the one before until this one is whole.

    Raises BackupRefused, BackupFailed.
    """
    backup = _Backup(database, data_dir / COLLECTIONS, root, kept, progress)
    with writable(root, data_dir), _explained(root):
        missed = ""
        for _ in range(_SNAPSHOTS):
            try:
                return backup.attempt()
            except (FileGone, VersionDamaged) as error:
                if str(error) == missed:  # a catalog read since then names it still
                    raise
                missed = str(error)
                logger.info("a new snapshot, as files of the last one are gone: %s", error)
        raise BackupFailed(f"files were removed during each of {_SNAPSHOTS} snapshots")


@dataclass(frozen=True)
class _Backup:
    database: Database
    collections: Path
    root: Path
    kept: KeptVersions
    progress: Progress

    def attempt(self) -> Taken:
        """Raises FileGone, VersionDamaged where a file of the snapshot is not there."""
        path = self.root / catalog_name(secrets.token_hex(4))
        try:
            with catalog_file.created(path) as catalog:
                snapshot = take_snapshot(
                    self.database, self.collections, catalog, self.kept, self.progress
                )
                copied = self._copy_files(catalog)
            manifest = self._manifest(path, snapshot, copied)
        except BaseException:
            for left in self.root.glob(f"{path.name}*"):
                left.unlink()
            raise
        write_manifest(self.root, manifest)
        with catalog_file.read(path) as written:
            return Taken(manifest, copied, sweep(self.root, manifest, written))

    def _copy_files(self, catalog: Database) -> Copied:
        copied = Copied()
        with (
            catalog.engine.connect() as names,
            catalog.engine.begin() as target,
            _recorded(self.root) as recorded,
        ):
            copying = Copying(self.collections, self.root / FILES, recorded, is_private=True)
            self.progress.start("files", None)
            files = copying.copy(files_of(names, self.collections), self.progress)
            while group := list(islice(files, _AT_ONCE)):
                target.execute(insert(catalog_file.FILES), [_row_of(file) for file in group])
                for file in group:
                    copied.add(file)
        return copied

    def _manifest(self, path: Path, snapshot: Snapshot, copied: Copied) -> Manifest:
        with catalog_file.read(path) as catalog:
            revision = catalog_file.revision_of(catalog)
        entry = CatalogEntry(name=path.name, size=path.stat().st_size, sha256=sha256_of(path))
        return Manifest(
            created_at=snapshot.taken_at,
            revision=revision,
            versions=self.kept,
            catalog=entry,
            rows=snapshot.rows,
            files=copied.files,
            size_bytes=copied.size_bytes,
        )


def _row_of(file: CopiedFile) -> dict[str, str | int]:
    return {"path": file.path, "size": file.size, "sha256": file.sha256}


@contextmanager
def _recorded(root: Path) -> Iterator[Recorded]:
    """What the backup that is in the folder says of its files."""
    previous = _previous_catalog(root)
    if previous is None:
        yield lambda _: {}
        return
    with catalog_file.read(previous) as catalog:
        yield partial(catalog_file.recorded, catalog)


def _previous_catalog(root: Path) -> Path | None:
    """Raises BackupRefused where a later edition made the backup."""
    if not (root / BACKUP).exists():
        return None
    try:
        return verified_catalog(root, read_manifest(root))
    except BackupDamaged as error:
        logger.warning("what %s holds is read anew: %s", root, error)
        return None


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    try:
        yield
    except (FileGone, FileDamaged, VersionDamaged) as error:
        raise BackupFailed(f"{error}: {_REMEDY}. {_standing(root)}") from error
    except DBAPIError as error:  # its own text holds the statement and its parameters
        raise BackupFailed(f"the database: {error.orig}. {_standing(root)}") from error
    except (OSError, SQLAlchemyError) as error:
        raise BackupFailed(f"{error}. {_standing(root)}") from error


def _standing(root: Path) -> str:
    try:
        created_at = read_manifest(root).created_at
    except (BackupRefused, BackupDamaged):
        return f"{root} holds no backup yet"
    return f"{root} still holds the backup of {created_at:%Y-%m-%d %H:%M:%S} UTC"
