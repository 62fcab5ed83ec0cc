"""Where things lie in the data folder.

collections/<folder>/       named in the collection's row
  index.lock                one indexing run at a time holds it
  shards/<name>.npy         embeddings, float16, shape (rows, dim)
  versions/<name>/          a published index version, see indexer/versions/manifest.py
  versions/.building-*/     a version being built, or what a crash left of one
  verified/<name>.json      what of a version was hashed, see indexer/versions/verified.py
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexer.catalog.tables import Collection
from indexer.errors import CollectionBusy

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
    def verified(self) -> Path:
        return self.root / VERIFIED

    def building(self, name: str) -> Path:
        return self.versions / f"{BUILDING}{name}"

    def version(self, name: str) -> Path:
        return self.versions / name

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the collection for writing its files; raises CollectionBusy if another does.

        The kernel drops the lock with the process, however it dies.
        """
        self.shards.mkdir(parents=True, exist_ok=True)
        self.versions.mkdir(exist_ok=True)
        self.verified.mkdir(exist_ok=True)
        with (self.root / "index.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CollectionBusy(
                    "another indexing run is at work on this collection"
                ) from error
            yield
