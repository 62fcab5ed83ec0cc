"""SIGKILL anywhere in a run: the old version goes on serving, the next run finishes the work."""

import multiprocessing
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from indexer.backends.opening import open_version
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Image as ImageRow
from indexer.layout import CollectionFolder
from tests.databases import ON_SQLITE
from tests.indexer.crashing_run import index, index_and_die

FORK_SERVER = multiprocessing.get_context("forkserver")
FORK_SERVER.set_forkserver_preload(["indexer.indexing"])
"""To import it takes longer than a run."""

IN_EMBEDDING = [
    "indexer.embedding.write:write_rows:3:before",
    "indexer.embedding.write:write_rows:3:after",
    "indexer.embedding.write:write_shard:3:after",
]
IN_EMBEDDING_AMONG_FILES = [
    "indexer.embedding.prepare:decode:20:before",
    "indexer.embedding.encode:_row:20:after",
    "models.encoder_pool:in_halves:3:before",
    "indexer.embedding.write:write_shard:1:before",
    "indexer.embedding.write:write_shard:1:after",
    "indexer.embedding.write:write_shard:3:before",
    "indexer.embedding.shards:sha256_of:1:before",
]
IN_PUBLISH = [
    "indexer.indexing_run:add_version:1:before",
    "indexer.indexing_run:add_version:1:after",
    "indexer.versions.publish:_switch:1:before",
    "indexer.versions.publish:_await_servers:1:after",
    "indexer.versions.publish:_switch:1:after",
    "indexer.indexing_run:collect_garbage:2:before",
]
IN_PUBLISH_AMONG_FILES = [
    "indexer.indexing_run:build_version:1:before",
    "indexer.building.build:_gather:1:after",
    "indexer.building.into_files:train:1:before",
    "indexer.building.into_files:train:1:after",
    "indexer.building.fill:_add:1:after",
    "indexer.building.into_files:fill:1:after",
    "indexer.versions.manifest:fsync_file:2:before",
    "indexer.building.build:describe_files:1:after",
    "indexer.building.build:write_manifest:1:before",
    "indexer.building.build:write_manifest:1:after",
    "indexer.building.build:_verify:1:before",
    "indexer.building.build:fsync_folder:1:before",
]


@pytest.mark.parametrize("point", IN_EMBEDDING_AMONG_FILES + IN_PUBLISH_AMONG_FILES)
@ON_SQLITE
def test_a_run_killed_far_from_the_database_loses_nothing(
    database_url: str, data_dir: Path, tmp_path: Path, point: str
) -> None:
    """No transaction is open, so one kind of database is enough."""
    test_a_killed_run_loses_nothing(database_url, data_dir, tmp_path, point)


@pytest.mark.parametrize("point", IN_EMBEDDING + IN_PUBLISH)
def test_a_killed_run_loses_nothing(
    database_url: str, data_dir: Path, tmp_path: Path, point: str
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    paint(folder, range(10))
    assert index(database_url, data_dir, folder) == 10
    paint(folder, range(10, 40))

    run_and_die(database_url, data_dir, folder, point)
    assert searchable(database_url, data_dir) == (40 if point in IN_PUBLISH[4:] else 10)

    embedded = index(database_url, data_dir, folder)
    if point in IN_PUBLISH + IN_PUBLISH_AMONG_FILES:
        assert embedded == 0, "finished embeddings are not made again"
    assert searchable(database_url, data_dir) == 40
    assert leftovers(database_url, data_dir) == []


def test_a_kill_in_the_middle_costs_no_more_than_the_shard_in_hand(
    database_url: str, data_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    paint(folder, range(40))
    point = "indexer.embedding.write:write_shard:4:before"
    run_and_die(database_url, data_dir, folder, point)
    assert index(database_url, data_dir, folder) == 40 - 3 * 8


def paint(folder: Path, numbers: range) -> None:
    for number in numbers:
        pixels = np.random.default_rng(number).integers(0, 255, (12, 12, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")


def run_and_die(url: str, data_dir: Path, folder: Path, point: str) -> None:
    child = FORK_SERVER.Process(target=index_and_die, args=(url, data_dir, folder, point))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL


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
    held = np.load(folder / "ids.npy").tolist()
    assert len(set(held)) == manifest.count, "an image is held twice"
    assert set(held) <= rows
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
