"""The fields that came into a version in Milvus since it was made: `fields.json` in its folder.

Written whole and before what it tells of is searched. Fields are only ever added: what a crash left
of changes that were not taken in does no harm.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import RootModel, ValidationError

from indexer.columns.column import FieldKind
from indexer.durable import atomic_write
from indexer.errors import VersionDamaged
from indexer.versions.manifest import Manifest

FIELDS = "fields.json"


class _Kinds(RootModel[dict[str, FieldKind]]):
    pass


def read_kinds(folder: Path, manifest: Manifest) -> dict[str, FieldKind]:
    """Of all fields. Raises VersionDamaged."""
    made = {name: field.kind for name, field in (manifest.fields or {}).items()}
    try:
        since = _Kinds.model_validate_json((folder / FIELDS).read_bytes()).root
    except FileNotFoundError:
        return made
    except (OSError, ValidationError) as error:
        raise VersionDamaged(f"{folder.name}: {FIELDS} cannot be read") from error
    return {**made, **since}


def write_kinds(folder: Path, kinds: Mapping[str, FieldKind]) -> None:
    """Durable when this returns."""
    with atomic_write(folder / FIELDS) as file:
        file.write(_Kinds(dict(kinds)).model_dump_json(indent=2).encode())
