"""Whether a backup is what it says, byte for byte."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.exc import DatabaseError

from app.backup import catalog_file
from app.backup.catalog_file import FILES
from app.backup.copying import THREADS
from app.backup.errors import BackupDamaged
from app.backup.folder import FILES as FOLDER
from app.backup.folder import verified_catalog
from app.backup.manifest import Manifest, read_manifest
from app.backup.tables import count_rows
from indexer.catalog.tables import Collection, Image, IndexVersion, Shard
from indexer.durable import sha256_of
from indexer.progress import Progress

_AT_ONCE = 256


@dataclass(frozen=True)
class Verified:
    manifest: Manifest
    faults: list[str] = field(default_factory=list)


def verify_backup(root: Path, progress: Progress) -> Verified:
    """Every fault of the backup in the folder `root`; none of what lies beside it.

    Raises BackupRefused where there is none, or of a later format; BackupDamaged where what it
    says of itself cannot be read.
    """
    verified = Verified(read_manifest(root))
    try:
        with catalog_file.read(verified_catalog(root, verified.manifest)) as catalog:
            verified.faults.extend(_catalog_faults(catalog, verified.manifest))
            progress.start("verify", verified.manifest.files)
            verified.faults.extend(_file_faults(catalog, root / FOLDER, progress))
    except BackupDamaged as error:
        verified.faults.append(str(error))
    except DatabaseError as error:
        verified.faults.append(f"{verified.manifest.catalog.name}: {error.orig}")
    return verified


def _catalog_faults(catalog: Connection, manifest: Manifest) -> Iterator[str]:
    name = manifest.catalog.name
    for problem in catalog.exec_driver_sql("PRAGMA integrity_check").scalars():
        if problem != "ok":
            yield f"{name}: {problem}"
    if catalog_file.revision_of(catalog) != manifest.revision:
        yield f"{name}: its tables are not at revision {manifest.revision}"
    elif catalog_file.is_current(manifest.revision) and count_rows(catalog) != manifest.rows:
        yield f"{name}: it does not have the rows that the backup counted"
    yield from _names_that_lead_out(catalog, name)
    listed = select(func.count(), func.coalesce(func.sum(FILES.c.size), 0)).select_from(FILES)
    if tuple(catalog.execute(listed).one()) != (manifest.files, manifest.size_bytes):
        yield f"{name}: it does not list the files that the backup counted"


def _names_that_lead_out(catalog: Connection, name: str) -> Iterator[str]:
    """Whoever restores them would read and sweep where they lead."""
    for column in (Collection.folder, IndexVersion.name, Shard.path, Image.content_hash):
        leads_out = column.contains("/") | column.in_(("", ".", ".."))
        for found in catalog.scalars(select(column).where(leads_out).limit(1)):
            yield f"{name}: {column.class_.__tablename__} name a file that leads out of it: {found}"


def _file_faults(catalog: Connection, folder: Path, progress: Progress) -> Iterator[str]:
    files = iter(catalog.execute(select(FILES).execution_options(yield_per=_AT_ONCE)))
    with ThreadPoolExecutor(THREADS, "verify") as pool:
        while group := list(islice(files, _AT_ONCE)):
            for fault in pool.map(partial(_file_fault, folder), group):
                progress.advance()
                if fault:
                    yield fault


def _file_fault(folder: Path, file: Row[str, int, str]) -> str | None:
    path, size, sha256 = file
    if Path(path).is_absolute() or ".." in Path(path).parts:
        return f"{path} leads out of the backup"
    try:
        found = (folder / path).stat().st_size
        if found != size:
            return f"{path} has {found} bytes, not {size}"
        intact = sha256_of(folder / path) == sha256
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    except ValueError:  # a NUL in it
        return f"{path!r} cannot be read: it is no path"
    return None if intact else f"{path} does not match its SHA-256"
