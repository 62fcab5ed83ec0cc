"""Embedding on a Ray cluster: the same rows and embeddings, and what workers that are lost cost."""

import io
import json
import os
import select
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy
from numpy.typing import NDArray
from PIL import Image

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Embedding, Shard
from indexer.catalog.tables import Image as Row
from indexer.drivers.base import EmbedDriver
from indexer.drivers.local import LocalDriver
from indexer.drivers.ray_data.cluster import RayOptions
from indexer.drivers.ray_data.driver import RayDriver
from indexer.embedding.run import EmbedOptions, EmbedSummary
from indexer.embedding.shards import read_shard
from indexer.errors import ClusterFailed, SourceError
from indexer.indexing import Indexing
from indexer.layout import CollectionFolder
from indexer.pictures.decode import DecodeLimits
from indexer.progress import Progress, Silent
from indexer.sources import source_of
from indexer.sources.base import ImageSource
from indexer.writing import IndexingOptions
from models.errors import ModelUnavailable
from models.registry import load_encoder
from tests.databases import ON_SQLITE
from tests.indexer.drivers.scripted import RED
from tests.indexer.listed_source import listed, png
from tests.models import towers

pytestmark = [
    ON_SQLITE,
    pytest.mark.usefixtures("cluster"),
    pytest.mark.undivided,  # one cluster for all tests
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.data"),  # of its own settings
]

LOCAL, RAY = LocalDriver(), RayDriver()

BATCH = 8

COUNT = 20
"""Pictures; besides, each source has two copies of the first and what is no picture."""


def folder(root: Path, count: int = COUNT) -> str:
    root.mkdir()
    for name, data in files(count):
        (root / name).write_bytes(data)
    return str(root)


def catalogue(root: Path) -> str:
    folder(root)
    rows = [json.dumps({"image": name, "price": len(name)}) for name, _ in files()]
    rows.append(json.dumps({"image": "lost.png"}))
    (root / "shop.jsonl").write_text("\n".join(rows))
    return str(root / "shop.jsonl")


def archive(root: Path) -> str:
    """Compressed: the scan has to read what it passes, and brings it along."""
    root.mkdir()
    with tarfile.open(root / "shop.tar.gz", "w:gz") as tar:
        for name, data in files():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return str(root / "shop.tar.gz")


def files(count: int = COUNT) -> Iterator[tuple[str, bytes]]:
    for number in range(count):
        yield f"{number:03}.png", png(number, side=64)
    for name in ("copy", "second"):
        yield f"{name}.png", png(0, side=64)
    yield "bad.png", b"no picture"
    yield "cut.png", png(1, side=64)[:200]


@dataclass
class Shop:
    """A catalog with a collection a driver."""

    database: Database
    data_dir: Path

    def index(
        self,
        source: str | ImageSource,
        driver: EmbedDriver,
        model: str = "tiny",
        progress: Progress | None = None,
    ) -> EmbedSummary:
        options = EmbedOptions(DecodeLimits(), threads=2, batch_size=BATCH, driver=driver)
        indexing = Indexing(self.database, self.data_dir, IndexingOptions(options))
        opened = source_of(source) if isinstance(source, str) else source
        encoder = load_encoder(model)
        name = type(driver).__name__
        return indexing.run(name, opened, encoder, progress or Silent(), recall=0.95).images

    def rows(self, driver: EmbedDriver) -> dict[str, tuple[Any, ...]]:
        """By key: all that a scan leaves in the catalog of a picture."""
        columns = (
            *(Row.key, Row.uri, Row.stamp, Row.content_hash, Row.file_size, Row.format),
            *(Row.width, Row.height, Row.attributes),
        )
        with self.database.read() as session:
            owner = repository.collection(session, type(driver).__name__)
            found = session.execute(
                sqlalchemy.select(*columns).where(Row.collection_id == owner.id)
            )
            return {row.key: tuple(row)[1:] for row in found}

    def embeddings(self, driver: EmbedDriver) -> dict[str, NDArray[np.float16]]:
        """By content hash, which is unique in a collection."""
        with self.database.read() as session:
            owner = repository.collection(session, type(driver).__name__)
            shards = CollectionFolder.of(self.data_dir, owner).shards
            found = session.execute(
                sqlalchemy.select(Embedding.content_hash, Embedding.shard_row, Shard.path)
                .join(Shard, Shard.id == Embedding.shard_id)
                .where(Embedding.collection_id == owner.id)
            )
            return {row.content_hash: read_shard(shards, row.path)[row.shard_row] for row in found}


@pytest.fixture
def shop(database: Database, data_dir: Path) -> Shop:
    return Shop(database, data_dir)


@pytest.mark.parametrize("make", [folder, catalogue, archive])
def test_a_cluster_leaves_the_rows_and_embeddings_that_this_machine_does(
    make: Callable[[Path], str], shop: Shop, tmp_path: Path
) -> None:
    source = make(tmp_path / "source")
    here, there = shop.index(source, LOCAL), shop.index(source, RAY)
    assert shop.rows(RAY) == shop.rows(LOCAL)
    of_here, of_there = shop.embeddings(LOCAL), shop.embeddings(RAY)
    assert of_there.keys() == of_here.keys()
    for content, embedding in of_here.items():  # no batch changes what this encoder makes of one
        assert of_there[content].tobytes() == embedding.tobytes()
    assert (there.embedded, there.shared) == (here.embedded, here.shared) == (COUNT, 2)
    assert there.rejected == here.rejected
    assert sorted(there.rejects, key=str) == sorted(here.rejects, key=str)


@pytest.mark.parametrize("family", ["tiny+grid", "open_clip"])
def test_encoders_that_work_in_batches_make_the_same_within_rounding(
    family: str, shop: Shop, tmp_path: Path
) -> None:
    model = family
    if family == "open_clip":
        (tmp_path / "model").mkdir()
        towers.clip(tmp_path / "model")
        model = f"open_clip:local-dir:{tmp_path / 'model'}"
    source = folder(tmp_path / "source", count=4)  # of ten regions each
    shop.index(source, LOCAL, model)
    shop.index(source, RAY, model)
    here, there = shop.embeddings(LOCAL), shop.embeddings(RAY)
    assert there.keys() == here.keys()
    for content, embedding in here.items():
        np.testing.assert_allclose(there[content], embedding, atol=2e-3)


def test_what_is_unchanged_asks_for_no_cluster(shop: Shop, photos: Path) -> None:
    assert shop.index(str(photos), RAY).embedded == 3
    nowhere = RayDriver(RayOptions("ray://nowhere:1"))
    assert shop.index(str(photos), nowhere).unchanged == 3


def test_an_encoder_that_is_killed_costs_nothing(shop: Shop, tmp_path: Path) -> None:
    """kill -9, or the memory of a node that ran out: another process does it again."""
    source, fallen = folder(tmp_path / "source"), tmp_path / "fallen"
    summary = shop.index(source, RAY, f"scripted:killed={fallen}")
    assert fallen.exists()
    assert (summary.embedded, summary.shared) == (COUNT, 2)
    assert len(shop.rows(RAY)) == COUNT + 2


def test_a_picture_that_ends_every_encoder_ends_the_run_by_name(shop: Shop, tmp_path: Path) -> None:
    """Not one process after another for ever."""
    source = folder(tmp_path / "source")
    Image.new("RGB", (40, 40), RED).save(tmp_path / "source" / "000-poison.png")
    with pytest.raises(ClusterFailed, match=r"4 processes ended.*'000-poison.png'"):
        shop.index(source, RAY, "scripted:poisoned")


class Stopping(Silent):
    """Cancelled, once a batch is done and an encoder is stuck in the next."""

    def __init__(self, stuck: Path) -> None:
        self._stuck = stuck
        self._done = 0

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        if self._done >= BATCH and self._stuck.exists():
            raise InterruptedError


def test_a_run_that_is_cancelled_leaves_nothing_at_work(shop: Shop, tmp_path: Path) -> None:
    """An encoder in the middle of a batch is not waited for, and what was finished is kept."""
    source, stuck = folder(tmp_path / "source"), tmp_path / "stuck"
    with pytest.raises(InterruptedError):
        shop.index(source, RAY, f"scripted:stuck={stuck}", Stopping(stuck))
    assert not {"scan", "receive", "write"} & {thread.name for thread in threading.enumerate()}
    wait_for_end(int(stuck.read_text()))
    assert 0 < len(shop.rows(RAY)) < COUNT


def wait_for_end(pid: int) -> None:
    with suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        assert select.select([process], [], [], 60)[0]
        os.close(process)


def test_a_node_that_has_another_edition_of_the_model_is_refused(shop: Shop, photos: Path) -> None:
    with pytest.raises(ModelUnavailable, match="another edition"):
        shop.index(str(photos), RAY, "scripted:edition")


def test_a_folder_that_a_worker_lacks_is_an_error_and_not_a_million_rejects(
    shop: Shop, tmp_path: Path
) -> None:
    source = listed(20)
    source.uri = (tmp_path / "unmounted").as_uri()
    with pytest.raises(SourceError, match="every node that embeds needs the same folder"):
        shop.index(source, RAY)
    assert not shop.rows(RAY)
