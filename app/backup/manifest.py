"""What a backup says of itself, in its `backup.json`."""

import hashlib
import os
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ValidationError

from app.backup.errors import BackupDamaged, BackupRefused
from indexer.durable import atomic_write
from indexer.versions.manifest import FileEntry

BACKUP = "backup.json"
PRIVATE = 0o600
"""The mode of a backup's files: hashes of keys are among them, and pictures of whoever."""

_FORMAT = 1


class KeptVersions(StrEnum):
    """Which index versions a backup holds. All are copies that can be built again."""

    ALL = "all"
    ACTIVE = "active"
    NONE = "none"


class CatalogEntry(FileEntry):
    name: str


class _Format(BaseModel):
    """All that manifests of every format have."""

    format: int = _FORMAT


class Manifest(_Format):
    created_at: datetime
    """When the catalog was as it is here."""
    revision: str
    """Of the catalog's tables."""
    versions: KeptVersions
    catalog: CatalogEntry
    rows: dict[str, int]
    """Of each table."""
    files: int
    size_bytes: int
    """Of the files together, without the catalog."""


class _AnyFormat(BaseModel):
    backup: _Format


class _Hashed(BaseModel):
    sha256: str
    """Of the rest, as it is written."""
    backup: Manifest


def write_manifest(root: Path, manifest: Manifest) -> None:
    """From now on it is the folder's backup."""
    hashed = _Hashed(sha256=_hash_of(manifest), backup=manifest)
    with atomic_write(root / BACKUP) as file:
        os.fchmod(file.fileno(), PRIVATE)
        file.write(hashed.model_dump_json(indent=2).encode())


def read_manifest(root: Path) -> Manifest:
    """Raises BackupRefused where there is no backup, or one of a later format; BackupDamaged."""
    path = root / BACKUP
    try:
        data = path.read_bytes()
        found = _AnyFormat.model_validate_json(data).backup.format
        if found > _FORMAT:
            raise BackupRefused(
                f"{root}: a later edition of this program made the backup, in format {found}; "
                f"this one reads {_FORMAT}"
            )
        hashed = _Hashed.model_validate_json(data)
    except FileNotFoundError as error:
        raise BackupRefused(f"{root} holds no backup: there is no {BACKUP}") from error
    except ValidationError as error:
        raise BackupDamaged(f"{path} cannot be read") from error
    if hashed.sha256 != _hash_of(hashed.backup):
        raise BackupDamaged(f"{path} does not match its SHA-256")
    return hashed.backup


def _hash_of(manifest: Manifest) -> str:
    return hashlib.sha256(manifest.model_dump_json().encode()).hexdigest()
