"""Backing up and restoring a collection, against `cp` of the same files.

python -m bench.backup [--images 100000] [--pictures 5000] [--database-url postgresql://…]

Method: rows, shards, a version's files and pictures of 100 kB, all of them noise; `cp -a` of the
files and `sync` in the same run; each with the files in the page cache, if they fit. A backup
hashes what it copies and makes each file durable; restoring reads the backup twice, once to verify
it. A database that is named must be empty, and is left so.
"""

import argparse
import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from sqlalchemy import insert

from app.backup.manifest import KeptVersions
from app.backup.restoring import restore_backup
from app.backup.tables import backed_up
from app.backup.taking import take_backup
from app.backup.verification import verify_backup
from indexer.catalog import db, repository
from indexer.catalog.db import Database
from indexer.catalog.tables import API_SOURCE, Collection, Embedding, Image, IndexVersion, Shard
from indexer.embedding.shards import write_shard
from indexer.layout import CollectionFolder
from indexer.live.picture_store import PictureStore
from indexer.progress import Silent
from indexer.versions.manifest import IDS, VECTORS, Manifest, describe_files, write_manifest
from models.types import EncoderSpec

DIM = 512
PICTURE_BYTES = 100_000
SHARD_ROWS = 20_000
SPEC = EncoderSpec(
    id="noise",
    dim=DIM,
    image_size=8,
    fingerprint="0" * 64,
    licence="none",
    languages=("en",),
    text_lengths=(8,),
)
FOLDER_URI = "file:///noise"


class Stages(Silent):
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stage, self._since = "", time.monotonic()

    def start(self, stage: str, total: int | None) -> None:  # noqa: ARG002
        now = time.monotonic()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = stage, now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=5_000)
    parser.add_argument("--database-url", default="")
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        url = arguments.database_url or f"sqlite:///{folder / 'catalog.db'}"
        db.upgrade(url)
        database = Database(url)
        size = _fill(database, folder / "data", arguments.images, arguments.pictures)
        _measure(database, url, folder, size, arguments.images)
        database.close()


def _measure(database: Database, url: str, folder: Path, size: int, images: int) -> None:
    data_dir, root = folder / "data", folder / "backup"
    report = _Report(size, images)
    with report.step("cp -a; sync"):
        subprocess.run(["cp", "-a", data_dir, folder / "copy"], check=True)  # noqa: S603, S607 - ours
        subprocess.run(["sync", "-f", folder / "copy"], check=True)  # noqa: S603, S607 - ours
    for name in ("backup", "backup, nothing new"):
        with report.step(name) as stages:
            take_backup(database, data_dir, root, KeptVersions.ALL, stages)
    with report.step("backup verify") as stages:
        assert not verify_backup(root, stages).faults
    _empty(database)
    target = url if url.startswith("postgresql") else f"sqlite:///{folder / 'restored.db'}"
    with report.step("restore") as stages:
        restore_backup(root, target, folder / "restored", stages)
    _empty(database)
    report.show()


class _Step(NamedTuple):
    name: str
    seconds: float
    cpu_seconds: float
    stages: dict[str, float]


class _Report:
    def __init__(self, size: int, images: int) -> None:
        self._size, self._images = size, images
        self._steps: list[_Step] = []

    @contextmanager
    def step(self, name: str) -> Iterator[Stages]:
        stages, started, cpu = Stages(), time.monotonic(), _cpu_seconds()
        yield stages
        stages.start("", None)
        taken = _Step(name, time.monotonic() - started, _cpu_seconds() - cpu, stages.seconds)
        self._steps.append(taken)

    def show(self) -> None:
        title = f"{self._images} images, {decimal(self._size)} in files, {os.cpu_count()} cores"
        columns = ("", "seconds", "of CPU", "files, MB/s", "of cp", "rows, images/s")
        table = Table(*columns, title=title)
        cp = self._steps[0].seconds
        for step in self._steps:
            rows = step.stages.get("catalog", 0.0)
            files = step.seconds - rows
            table.add_row(
                step.name,
                f"{step.seconds:.1f}",
                f"{step.cpu_seconds:.1f}",
                f"{self._size / files / 1e6:.0f}",
                f"{cp / files:.2f}",
                f"{self._images / rows:.0f}" if rows else "",
            )
        Console().print(table)


def _cpu_seconds() -> float:
    """Of this process and of those that it waited for."""
    return sum(os.times()[:4])


def _fill(database: Database, data_dir: Path, images: int, pictures: int) -> int:
    """Bytes in files."""
    random = np.random.default_rng(0)
    with database.write() as session:
        owner = repository.add_collection(session, "noise", SPEC.id, SPEC, 0.95)
        folder = CollectionFolder.of(data_dir, owner)
        folder.create()
        sources = [repository.source(session, owner.id, uri).id for uri in (API_SOURCE, FOLDER_URI)]
        store = PictureStore(folder.pictures)
        hashes = [_put(store, random.bytes(PICTURE_BYTES)) for _ in range(pictures)]
        hashes += [hashlib.sha256(str(n).encode()).hexdigest() for n in range(pictures, images)]
        number = repository.bump_change_number(session, owner.id)
        for start in range(0, images, SHARD_ROWS):
            chosen = range(start, min(start + SHARD_ROWS, images))
            vectors = random.standard_normal((len(chosen), DIM)).astype(np.float32)
            file = write_shard(folder.shards, vectors)
            shard = Shard(
                collection_id=owner.id,
                path=file.path,
                encoder_fingerprint=SPEC.fingerprint,
                rows=file.rows,
                sha256=file.sha256,
            )
            session.add(shard)
            session.flush()
            rows = [_image(owner, n, hashes[n], sources[n >= pictures], number) for n in chosen]
            session.execute(insert(Image), rows)
            places = [_place(owner, hashes[n], shard.id, n - start) for n in chosen]
            session.execute(insert(Embedding), places)
        version = _version(folder, images)
        session.add(version_row := _version_row(owner, version, number))
        session.flush()
        owner.active_version_id = version_row.id
    return sum(path.stat().st_size for path in folder.root.rglob("*") if path.is_file())


def _put(store: PictureStore, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    store.put(digest, data)
    return digest


def _image(
    owner: Collection, number: int, content_hash: str, source_id: int, change_number: int
) -> dict[str, object]:
    key = f"{number:08}.jpg"
    return {
        "collection_id": owner.id,
        "key": key,
        "source_id": source_id,
        "uri": f"{FOLDER_URI}/{key}",
        "file_size": PICTURE_BYTES,
        "content_hash": content_hash,
        "format": "JPEG",
        "width": 500,
        "height": 400,
        "attributes": {
            "category": "신발 > 운동화",
            "price": number,
            "name": f"빨간 운동화 {number}",
        },
        "change_number": change_number,
    }


def _place(owner: Collection, content_hash: str, shard_id: int, row: int) -> dict[str, object]:
    return {
        "collection_id": owner.id,
        "content_hash": content_hash,
        "encoder_fingerprint": SPEC.fingerprint,
        "shard_id": shard_id,
        "shard_row": row,
    }


def _version(folder: CollectionFolder, images: int) -> Manifest:
    path = folder.version("noise")
    path.mkdir()
    (path / VECTORS).write_bytes(np.random.default_rng(1).bytes(2 * DIM * images))
    np.save(path / IDS, np.arange(images, dtype=np.int64))
    manifest = Manifest(
        model=SPEC.id,
        encoder_fingerprint=SPEC.fingerprint,
        dim=DIM,
        count=images,
        change_number=1,
        factory="Flat",
        calibration=None,
        backgrounds=None,
        created_at=datetime.now(UTC),
        files=describe_files(path),
    )
    write_manifest(path, manifest)
    return manifest


def _version_row(owner: Collection, manifest: Manifest, change_number: int) -> IndexVersion:
    return IndexVersion(
        collection_id=owner.id,
        name="noise",
        model=manifest.model,
        encoder_fingerprint=manifest.encoder_fingerprint,
        factory=manifest.factory,
        count=manifest.count,
        size_bytes=manifest.size_bytes,
        change_number=change_number,
    )


def _empty(database: Database) -> None:
    with database.write() as session:
        session.execute(Collection.__table__.update().values(active_version_id=None))
        for table in reversed(backed_up()):
            session.execute(table.delete())


if __name__ == "__main__":
    main()
