"""`noongil backup`, `noongil backup verify` and `noongil restore`."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from app.backup.manifest import KeptVersions, Manifest
from app.backup.restoring import restore_backup
from app.backup.taking import Taken, take_backup
from app.backup.verification import verify_backup
from app.catalog import open_catalog
from app.commands.arguments import AsJson
from app.config import Settings
from app.console import TerminalProgress, console, print_json

Destination = Annotated[
    Path,
    typer.Argument(metavar="DEST", help="Folder of the backup; what it has is not copied again."),
]
Origin = Annotated[Path, typer.Argument(metavar="SRC", help="Folder of the backup.")]


def backup(
    destination: Destination,
    versions: Annotated[
        KeptVersions,
        typer.Option(help="Index versions to take along; without one, reindexing builds it."),
    ] = KeptVersions.ALL,
    *,
    as_json: AsJson = False,
) -> None:
    """Copy the catalog and its files to DEST, while servers write and runs index."""
    started = time.monotonic()
    settings = Settings()
    database = open_catalog(settings)
    try:
        with TerminalProgress() as progress:
            taken = take_backup(database, settings.data_dir, destination, versions, progress)
    finally:
        database.close()
    seconds = time.monotonic() - started
    if as_json:
        print_json(_taken_as_dict(taken) | {"seconds": round(seconds, 3)})
    else:
        _print_taken(destination, taken, seconds)


def verify(source: Origin, *, as_json: AsJson = False) -> None:
    """Read a backup again, byte for byte; exit 1 where something is damaged."""
    with TerminalProgress() as progress:
        verified = verify_backup(source, progress)
    if as_json:
        print_json(_as_dict(verified.manifest) | {"faults": verified.faults})
    for fault in verified.faults:
        console.print(fault, markup=False, highlight=False, soft_wrap=True)
    if verified.faults:
        raise typer.Exit(1)
    console.print(f"the backup is intact: {_described(verified.manifest)}", soft_wrap=True)


def restore(source: Origin, *, as_json: AsJson = False) -> None:
    """Restore a backup into the database and the data folder of the settings, which are empty."""
    started = time.monotonic()
    settings = Settings()
    with TerminalProgress() as progress:
        restored = restore_backup(source, settings.database_url, settings.data_dir, progress)
    seconds = time.monotonic() - started
    if as_json:
        print_json(_as_dict(restored) | {"seconds": round(seconds, 3)})
    else:
        console.print(f"restored {_described(restored)} in {seconds:.1f} s", soft_wrap=True)


def _as_dict(manifest: Manifest) -> dict[str, object]:
    return manifest.model_dump(mode="json", exclude={"format", "catalog"}) | {
        "catalog_bytes": manifest.catalog.size
    }


def _taken_as_dict(taken: Taken) -> dict[str, object]:
    return _as_dict(taken.manifest) | {
        "new_files": taken.copied.new_files,
        "new_bytes": taken.copied.new_bytes,
        "removed_files": taken.removed,
    }


def _print_taken(destination: Path, taken: Taken, seconds: float) -> None:
    copied = taken.copied
    console.print(
        f"backed up to {destination} in {seconds:.1f} s: {_described(taken.manifest)}; "
        f"{copied.new_files} files of {decimal(copied.new_bytes)} were new, "
        f"{taken.removed} are gone",
        soft_wrap=True,
    )


def _described(manifest: Manifest) -> str:
    rows = manifest.rows
    return (
        f"{rows['collections']} collections, {rows['images']} images, "
        f"{rows['index_versions']} versions, {manifest.files} files of "
        f"{decimal(manifest.size_bytes)}, as they were at {manifest.created_at:%Y-%m-%d %H:%M:%S} "
        "UTC"
    )
