"""Verifying a version before FAISS sees a byte, and remembering what was verified.

An index file with a few flipped bytes can load and answer wrongly (measured: 51 of 160 files
with 4 changed bytes did), so every file is hashed first. A file that was hashed once is not
hashed again at the next open as long as its size, inode and times are what they were: that is
remembered beside the versions, in `verified/<version>.json`. What changes without touching
those is for `verify_all`, which a server runs behind what it serves.
"""

import logging
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ValidationError

from indexer.durable import atomic_write
from indexer.errors import VersionDamaged
from indexer.layout import BUILDING, VERIFIED
from indexer.versions.manifest import Manifest, read_manifest, verify_files

logger = logging.getLogger(__name__)


class _Stat(BaseModel):
    size: int
    inode: int
    mtime_ns: int
    ctime_ns: int
    sha256: str


class _Verified(BaseModel):
    files: dict[str, _Stat]


def read_verified(folder: Path) -> tuple[Manifest, bool]:
    """The manifest of a folder whose every file is what the manifest says.

    Also whether that is known from memory, at least for a part. Raises VersionDamaged.
    """
    manifest = read_manifest(folder)
    found = _stats(folder, manifest)
    remembered = _remembered(folder)
    changed = [name for name, stat in found.items() if remembered.get(name) != stat]
    verify_files(folder, manifest, changed)
    if changed:
        _remember(folder, found)
    return manifest, len(changed) < len(found)


def verify_all(folder: Path) -> Manifest:
    """Hash every file, whatever is remembered. Raises VersionDamaged."""
    manifest = read_manifest(folder)
    try:
        found = _stats(folder, manifest)
        verify_files(folder, manifest, found)
    except VersionDamaged:
        with suppress(OSError):  # a read-only disk: the damage is what is to be told
            _record(folder).unlink(missing_ok=True)
        raise
    _remember(folder, found)
    return manifest


def _record(folder: Path) -> Path:
    name = folder.name.removeprefix(BUILDING)
    return folder.parent.parent / VERIFIED / f"{name}.json"


def _remembered(folder: Path) -> dict[str, _Stat]:
    try:
        return _Verified.model_validate_json(_record(folder).read_bytes()).files
    except (OSError, ValidationError):
        return {}


def _remember(folder: Path, found: dict[str, _Stat]) -> None:
    try:
        _record(folder).parent.mkdir(exist_ok=True)
        with atomic_write(_record(folder)) as file:
            file.write(_Verified(files=found).model_dump_json().encode())
    except OSError as error:  # a read-only disk: the next open hashes again
        logger.info("cannot remember that %s was verified: %s", folder.name, error)


def _stats(folder: Path, manifest: Manifest) -> dict[str, _Stat]:
    """Taken before the hashes: what changes meanwhile is hashed again at the next open."""
    found = {}
    for name, entry in manifest.files.items():
        try:
            status = (folder / name).stat()
        except OSError as error:
            raise VersionDamaged(f"{folder.name}: {name} cannot be read") from error
        found[name] = _Stat(
            size=status.st_size,
            inode=status.st_ino,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            sha256=entry.sha256,
        )
    return found
