"""The folder of a backup: one at a time writes to it, and what nothing names is swept away."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import filterfalse, islice
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection

from app.backup import catalog_file
from app.backup.errors import BackupDamaged, BackupRefused
from app.backup.manifest import BACKUP, Manifest
from indexer.durable import sha256_of

FILES = "files"
"""The folder of all collections, in a backup."""

COLLECTIONS = "collections"
"""The same in the data folder."""

_LOCK = ".lock"
_CATALOG = "catalog-"
_AT_ONCE = 500


@contextmanager
def writable(root: Path, data_dir: Path) -> Iterator[None]:
    """`root` is a backup's folder, or an empty one that becomes one, and no other process writes
    to it.

    Raises BackupRefused.
    """
    _require_apart(root, data_dir)
    root.mkdir(0o700, parents=True, exist_ok=True)
    _require_ours(root)
    lock = FileLock(root / _LOCK, mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BackupRefused(f"another backup is being written to {root}") from error
    try:
        yield
    finally:
        lock.release()


def sweep(root: Path, manifest: Manifest, catalog: Connection) -> int:
    """Remove what the manifest's backup does not name; how many files that were."""
    for path in root.iterdir():
        if path.name.startswith((_CATALOG, f".{BACKUP}")) and path.name != manifest.catalog.name:
            path.unlink()
    removed = 0
    for path in unnamed(root / FILES, catalog):
        path.unlink()
        removed += 1
    _remove_empty(root / FILES)
    return removed


def unnamed(folder: Path, catalog: Connection) -> Iterator[Path]:
    """Files in the folder of all collections that are not in the catalog's list."""
    walk = (path for path in folder.rglob("*") if not path.is_dir())
    while group := list(islice(walk, _AT_ONCE)):
        names = {path.relative_to(folder).as_posix(): path for path in group}
        for name in names.keys() - catalog_file.recorded(catalog, list(names)).keys():
            yield names[name]


def catalog_name(unique: str) -> str:
    return f"{_CATALOG}{unique}.db"


def verified_catalog(root: Path, manifest: Manifest) -> Path:
    """The catalog's file, every byte of it as the manifest says. Raises BackupDamaged."""
    path, entry = root / manifest.catalog.name, manifest.catalog
    try:
        intact = path.stat().st_size == entry.size and sha256_of(path) == entry.sha256
    except OSError as error:
        raise BackupDamaged(f"{path.name} cannot be read") from error
    if not intact:
        raise BackupDamaged(f"{path.name} does not match its SHA-256")
    return path


def _require_apart(root: Path, data_dir: Path) -> None:
    """What is swept here must not be what is served there."""
    backup, data = root.resolve(), data_dir.resolve()
    if backup == data or backup in data.parents or data / COLLECTIONS in (backup, *backup.parents):
        raise BackupRefused(f"{root} holds the data folder or is part of it: choose another")


def _require_ours(root: Path) -> None:
    """Whatever is called `files` is swept: by its name alone it is anybody's. A backup, or the
    first attempt at one, has left its lock there. Raises BackupRefused.
    """
    names = {path.name for path in root.iterdir()}
    strange = names if names.isdisjoint({BACKUP, _LOCK}) else set(filterfalse(_is_ours, names))
    if strange:
        raise BackupRefused(f"{root} holds something else than a backup: {min(strange)}")


def _is_ours(name: str) -> bool:
    return name in {BACKUP, FILES, _LOCK} or name.startswith((_CATALOG, f".{BACKUP}"))


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            with suppress(OSError):  # it is not empty
                path.rmdir()
