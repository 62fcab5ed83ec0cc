"""Where things lie in the data folder.

collections/<folder>/       named in the collection's row
  shards/<name>.npy         embeddings, float16, shape (rows, dim)
  pictures/<ab>/<hash>      files that came through the API, by content
  versions/<name>/          a published index version, see indexer/versions/manifest.py
  versions/.building-*/     a version being built, or what a crash left of one
  verified/<name>.json      what of a version was hashed, see indexer/versions/verified.py
"""

from dataclasses import dataclass
from pathlib import Path

from indexer.catalog.tables import Collection

BUILDING = ".building-"
VERIFIED = "verified"


@dataclass(frozen=True)
class CollectionFolder:
    root: Path

    @classmethod
    def of(cls, data_dir: Path, collection: Collection) -> "CollectionFolder":
        return cls(data_dir / "collections" / collection.folder)

    @property
    def shards(self) -> Path:
        return self.root / "shards"

    @property
    def versions(self) -> Path:
        return self.root / "versions"

    @property
    def pictures(self) -> Path:
        return self.root / "pictures"

    @property
    def verified(self) -> Path:
        return self.root / VERIFIED

    def building(self, name: str) -> Path:
        return self.versions / f"{BUILDING}{name}"

    def version(self, name: str) -> Path:
        return self.versions / name

    def create(self) -> None:
        for folder in (self.shards, self.versions, self.pictures, self.verified):
            folder.mkdir(parents=True, exist_ok=True)
