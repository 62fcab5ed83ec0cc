"""The attributes of a version's images, by column."""

from pathlib import Path

from indexer.columns.arrow import map_columns
from indexer.columns.columns import Columns
from indexer.errors import VersionDamaged
from indexer.versions.manifest import ATTRIBUTES, Manifest


def open_columns(folder: Path, manifest: Manifest) -> Columns:
    """Of a version whose files were verified: mapped, with nothing in them where an earlier edition
    made it. Raises VersionDamaged.
    """
    if manifest.fields is None:
        return Columns(manifest.count, {}, is_kept=False)
    try:
        return map_columns(folder / ATTRIBUTES, manifest.count)
    except (OSError, ValueError) as error:
        raise VersionDamaged(f"{folder.name}: {error}") from error
