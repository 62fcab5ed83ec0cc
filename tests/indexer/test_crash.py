"""SIGKILL anywhere in a run: the old version goes on serving, the next run finishes the work."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from indexer.backends.faiss_index import open_version
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Image as ImageRow
from indexer.layout import CollectionFolder

ROOT = Path(__file__).parents[2]

IN_EMBEDDING = [
    "indexer.embed:write_shard:1:before",
    "indexer.embed:write_shard:1:after",
    "indexer.embed:write_shard:3:before",
    "indexer.embed:write_shard:3:after",
    "indexer.shards:sha256_of:1:before",
]
IN_PUBLISH = [
    "indexer.indexing:build_version:1:before",
    "indexer.build:_train:1:after",
    "indexer.build:describe_files:1:after",
    "indexer.build:write_manifest:1:after",
    "indexer.build:_verify:1:before",
    "indexer.indexing:publish:1:before",
    "indexer.publish:_switch:1:after",
    "indexer.indexing:publish:1:after",
    "indexer.indexing:collect_garbage:2:before",
]


@pytest.mark.parametrize("point", IN_EMBEDDING + IN_PUBLISH)
def test_a_killed_run_loses_nothing(
    database_url: str, data_dir: Path, tmp_path: Path, point: str
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    paint(folder, range(10))
    assert run(database_url, data_dir, folder, "never") == 10
    paint(folder, range(10, 40))

    with pytest.raises(subprocess.CalledProcessError) as killed:
        run(database_url, data_dir, folder, point)
    assert killed.value.returncode == -signal.SIGKILL
    published = point in {"indexer.indexing:publish:1:after", IN_PUBLISH[-1]}
    assert searchable(database_url, data_dir) == (40 if published else 10)

    embedded = run(database_url, data_dir, folder, "never")
    if point in IN_PUBLISH:
        assert embedded == 0, "finished embeddings are not made again"
    assert searchable(database_url, data_dir) == 40
    assert leftovers(database_url, data_dir) == []


def test_a_kill_in_the_middle_costs_no_more_than_the_shard_in_hand(
    database_url: str, data_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    paint(folder, range(40))
    with pytest.raises(subprocess.CalledProcessError):
        run(database_url, data_dir, folder, "indexer.embed:write_shard:4:before")
    assert run(database_url, data_dir, folder, "never") == 40 - 3 * 8


def paint(folder: Path, numbers: range) -> None:
    for number in numbers:
        pixels = np.random.default_rng(number).integers(0, 255, (12, 12, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")


def run(url: str, data_dir: Path, folder: Path, point: str) -> int:
    """Images embedded. Raises CalledProcessError where the process was killed."""
    arguments = [url, str(data_dir), str(folder), point]
    child = subprocess.run(
        [sys.executable, "-m", "tests.indexer.crashing_run", *arguments],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return int(child.stdout)


def searchable(url: str, data_dir: Path) -> int:
    """Images in the active version, which must be whole and name rows that exist."""
    database = Database(url)
    with database.read() as session:
        owner = repository.collection(session, "shop")
        assert owner.active_version is not None
        folder = CollectionFolder.of(data_dir, owner).version(owner.active_version.name)
        manifest, _ = open_version(folder)
        rows = set(session.scalars(select(ImageRow.id)))
    database.close()
    assert set(np.load(folder / "ids.npy").tolist()) <= rows
    return manifest.count


def leftovers(url: str, data_dir: Path) -> list[str]:
    """Files of the collection that nothing refers to."""
    database = Database(url)
    with database.read() as session:
        owner = repository.collection(session, "shop")
        versions = {version.name for version in repository.versions(session, owner.id)}
        shards = set(session.scalars(select(repository.Shard.path)))
    database.close()
    root = CollectionFolder.of(data_dir, owner)
    strays = [path for path in root.versions.iterdir() if path.name not in versions]
    strays += [path for path in root.shards.iterdir() if path.name not in shards]
    return [str(path) for path in strays]
