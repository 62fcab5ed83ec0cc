"""A version's manifest: what the folder holds and how to search it.

versions/<name>/
  manifest.json         written last but for its own hash: a folder without both is no version
  manifest.json.sha256  as sha256sum writes it
  vectors.f16           all embeddings, float16, row-major (count · regions, dim), memory-mapped
  ids.npy               int64 (count,): row number → primary key of the image
  attributes.arrow      an Arrow IPC file: a column for each field, its rows those of ids.npy
  index.faiss           the FAISS index, its ids the row numbers of vectors.f16; absent where search
                        is exact
  lists.ivf             the inverted lists, where they were merged on disk

Of a version in Milvus there is the manifest alone, and the fields that came since
(indexer/backends/milvus/fields.py).
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError

from indexer.columns.arrow import FieldSummary
from indexer.durable import atomic_write, fsync_file, sha256_of
from indexer.errors import VersionDamaged
from indexer.versions.relevance import Backgrounds

MANIFEST = "manifest.json"
CHECKSUM = "manifest.json.sha256"
VECTORS = "vectors.f16"
IDS = "ids.npy"
INDEX = "index.faiss"
ATTRIBUTES = "attributes.arrow"
LISTS = "lists.ivf"
_FORMAT = 3
_WITHOUT_ATTRIBUTES = 2
"""Read all the same: such a version is searched, but cannot be filtered."""


class FileEntry(BaseModel):
    size: int
    sha256: str


class CalibrationPoint(BaseModel):
    """The cheapest setting that reached `recall` on the calibration queries."""

    recall: float
    nprobe: int
    rerank: int
    """Candidates taken from the index and scored exactly."""
    measured: float


class Calibration(BaseModel):
    """Settings for texts and for images, each ascending in recall."""

    text: list[CalibrationPoint]
    image: list[CalibrationPoint]


class MilvusPlace(BaseModel):
    """Where a version is whose vectors and attributes Milvus holds."""

    collection: str
    nlist: int
    """Inverted lists of its index; 0: search is exact."""


class _Format(BaseModel):
    """All that manifests of every format have."""

    format: int = _FORMAT


class Manifest(_Format):
    model: str
    encoder_fingerprint: str
    dim: int
    regions: int = 1
    """Embeddings of each image, see models/regions."""
    count: int
    change_number: int
    factory: str
    calibration: Calibration | None
    """None where search is exact."""
    backgrounds: Backgrounds | None
    """What scores are worth; None in an empty version."""
    fields: dict[str, FieldSummary] | None = None
    """What attributes.arrow holds; None: there is none, as an earlier edition made the version."""
    milvus: MilvusPlace | None = None
    """None: the vectors are in this folder."""
    created_at: datetime
    files: dict[str, FileEntry]

    @property
    def size_bytes(self) -> int:
        return sum(entry.size for entry in self.files.values())

    @property
    def is_exact(self) -> bool:
        return self.calibration is None


def describe_files(folder: Path) -> dict[str, FileEntry]:
    """Size and hash of a finished version's files, each first made durable."""
    entries = {}
    for file in sorted(folder.iterdir()):
        fsync_file(file)
        entries[file.name] = FileEntry(size=file.stat().st_size, sha256=sha256_of(file))
    return entries


def write_manifest(folder: Path, manifest: Manifest) -> None:
    data = manifest.model_dump_json(indent=2).encode()
    with atomic_write(folder / MANIFEST) as file:
        file.write(data)
    with atomic_write(folder / CHECKSUM) as file:
        file.write(_checksum_line(data))


def read_manifest(folder: Path) -> Manifest:
    """The manifest as it was written, the files that it lists unread. Raises VersionDamaged."""
    try:
        data = (folder / MANIFEST).read_bytes()
        intact = (folder / CHECKSUM).read_bytes() == _checksum_line(data)
        if not intact:
            raise VersionDamaged(f"{folder.name}: {MANIFEST} does not match its SHA-256")
        found = _Format.model_validate_json(data).format
        if found not in {_FORMAT, _WITHOUT_ATTRIBUTES}:
            raise VersionDamaged(
                f"{folder.name}: an edition of this program that writes format {found} made it, "
                f"this one reads {_FORMAT}: index the collection's sources again"
            )
        manifest = Manifest.model_validate_json(data)
    except (OSError, ValidationError) as error:
        raise VersionDamaged(f"{folder.name}: the manifest cannot be read") from error
    if missing := _required(manifest) - manifest.files.keys():
        raise VersionDamaged(f"{folder.name}: the manifest does not list {sorted(missing)}")
    return manifest


def _required(manifest: Manifest) -> set[str]:
    if manifest.milvus is not None:
        return set()
    required = {VECTORS, IDS}
    required |= set() if manifest.is_exact else {INDEX}
    return required | (set() if manifest.fields is None else {ATTRIBUTES})


def verify_files(folder: Path, manifest: Manifest, names: Iterable[str]) -> None:
    """Raises VersionDamaged unless the named files are, byte for byte, what the manifest says."""
    for name in names:
        entry = manifest.files[name]
        try:
            size = (folder / name).stat().st_size
            intact = size == entry.size and sha256_of(folder / name) == entry.sha256
        except OSError as error:
            raise VersionDamaged(f"{folder.name}: {name} cannot be read") from error
        if not intact:
            raise VersionDamaged(f"{folder.name}: {name} does not match its SHA-256")


def _checksum_line(data: bytes) -> bytes:
    return f"{hashlib.sha256(data).hexdigest()}  {MANIFEST}\n".encode()
