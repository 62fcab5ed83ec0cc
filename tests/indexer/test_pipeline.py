"""The stages of embedding together: what stops them, what bounds them, what they leave behind."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from indexer.catalog.db import Database
from indexer.embedding import handover, scan, write
from indexer.embedding.run import EmbedOptions
from indexer.errors import RejectReason
from indexer.indexing import Indexing
from indexer.indexing_run import IndexSummary
from indexer.pictures.decode import DecodeLimits
from indexer.progress import Silent
from indexer.sources.base import SourceEntry
from indexer.writing import IndexingOptions
from models.config import EncoderOptions
from models.encoder_pool import pool_of
from models.errors import DeviceLost
from models.registry import load_encoder
from models.types import Embeddings, Encoder, Pixels
from tests.databases import ON_SQLITE
from tests.indexer.listed_source import ListedSource, item, listed, png
from tests.indexer.runs import keys
from tests.models import towers
from tests.tiny_encoder import TinyEncoder


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def run(indexing: Indexing, source: ListedSource, encoder: Encoder) -> IndexSummary:
    return indexing.run("shop", source, encoder, Silent(), recall=0.95)


class Failing(TinyEncoder):
    """Loses its device with the third batch."""

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        if self.images_encoded >= 16:
            raise DeviceLost("fell off the bus")
        return super().encode_pixels(batch)


def test_a_lost_device_stops_the_run_and_costs_nothing_that_was_finished(
    indexing: Indexing, encoder: TinyEncoder, database: Database
) -> None:
    with pytest.raises(DeviceLost, match="bus"):
        run(indexing, listed(100), Failing())
    assert len(keys(database)) == 16
    assert run(indexing, listed(100), encoder).images.embedded == 84


def test_a_full_disk_stops_the_run(
    indexing: Indexing, encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "write_shard", full)
    monkeypatch.setattr(write, "_SHARD_ROWS", 8)
    with pytest.raises(OSError, match="No space"):
        run(indexing, listed(2000), encoder)
    assert encoder.images_encoded < 1900, "nobody goes on embedding what cannot be kept"


def test_what_a_reader_stumbles_over_is_raised_not_swallowed(
    indexing: Indexing, encoder: TinyEncoder
) -> None:
    with pytest.raises(KeyError):
        run(indexing, ListedSource([item("a")], {}), encoder)


class Interrupting(Silent):
    """Ctrl-C, once some pictures are embedded."""

    def __init__(self) -> None:
        self._done = 0

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        if self._done >= 24:
            raise KeyboardInterrupt


def test_an_interrupted_run_keeps_what_was_finished(
    indexing: Indexing, encoder: TinyEncoder, database: Database
) -> None:
    with pytest.raises(KeyboardInterrupt):
        indexing.run("shop", listed(400), encoder, Interrupting(), recall=0.95)
    finished = len(keys(database))
    assert 24 <= finished < 400
    assert run(indexing, listed(400), encoder).images.embedded == 400 - finished


def test_a_slow_download_holds_up_nobody(indexing: Indexing) -> None:
    source = listed(60)
    others = threading.Event()

    class Watching(TinyEncoder):
        def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
            embeddings = super().encode_pixels(batch)
            if self.images_encoded == 59:
                others.set()
            return embeddings

    def slow() -> bytes:
        assert others.wait(60)
        return png(0)

    source.files = {**source.files, "000": slow}
    assert run(indexing, source, Watching()).images.embedded == 60


def test_files_under_way_stay_within_their_memory(
    database: Database, data_dir: Path, encoder: TinyEncoder
) -> None:
    """64 downloads of 256 MB at once would be 16 GB."""
    file = png(0, side=300)
    lock, gate = threading.Lock(), threading.Event()
    reading = highest = 0

    def read() -> bytes:
        nonlocal reading, highest
        with lock:
            reading += 1
            highest = max(highest, reading)
        gate.wait(0.002)
        with lock:
            reading -= 1
        return file

    entries = [item(str(number)) for number in range(60)]
    source = ListedSource(entries, {entry.key: read for entry in entries}, readers=64)
    limits = DecodeLimits(max_bytes=2 * len(file))
    options = EmbedOptions(limits, threads=2, batch_size=8, memory_bytes=4 * len(file))
    assert run(Indexing(database, data_dir, IndexingOptions(options)), source, encoder).total == 60
    assert 1 <= highest <= 4


def test_a_batch_that_is_larger_than_the_memory_goes_in_parts(
    database: Database, data_dir: Path, encoder: TinyEncoder
) -> None:
    pixels = encoder.spec.dim
    options = EmbedOptions(DecodeLimits(), threads=2, batch_size=8, memory_bytes=3 * pixels)
    assert (
        run(Indexing(database, data_dir, IndexingOptions(options)), listed(6), encoder).total == 6
    )


def test_thousands_of_rejects_are_counted_and_the_first_are_named(
    indexing: Indexing, encoder: TinyEncoder
) -> None:
    entries = [item(str(number), data=b"no picture") for number in range(1500)]
    entries.append(item("good", data=png(1)))
    summary = run(indexing, ListedSource(entries, {}), encoder)
    assert summary.images.rejected == {RejectReason.NOT_AN_IMAGE: 1500}
    assert (summary.total, len(summary.images.rejects)) == (1, 1000)


def test_equal_pictures_are_embedded_once_however_they_meet(
    indexing: Indexing, encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one batch, in one shard, across shards; with the place looked up or remembered."""
    monkeypatch.setattr(write, "_SHARD_ROWS", 16)
    entries = [item(str(number), data=png(number % 40)) for number in range(400)]
    summary = run(indexing, ListedSource(entries, {}), encoder)
    assert (summary.images.embedded, summary.images.shared) == (40, 360)
    assert encoder.images_encoded == 40


class Counting(Silent):
    """How many are done of the stage; `pause` is what whoever watches takes for each."""

    def __init__(self, pause: float = 0.0) -> None:
        self.done = 0
        self._pause = pause

    def start(self, stage: str, total: int | None) -> None:
        super().start(stage, total)
        self.done = 0

    def advance(self, steps: int = 1) -> None:
        self.done += steps
        time.sleep(self._pause)


def test_pictures_that_were_moved_do_not_wait_for_a_batch_of_new_ones(
    indexing: Indexing, encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million rows would wait in memory, and nobody would see that anything goes on."""
    monkeypatch.setattr(handover, "_IDLE_SECONDS", 60)
    watching, old = Counting(), png(0)

    def entries() -> Iterator[SourceEntry]:
        yield item("new", data=png(1))
        for number in range(5000):
            if watching.done:
                return
            yield item(str(number), data=old)

    run(indexing, ListedSource([item("old", data=old)], {}), encoder)
    source = ListedSource(entries(), {})
    assert 100 < indexing.run("shop", source, encoder, watching, recall=0.95).total < 2000
    assert encoder.images_encoded == 2


@ON_SQLITE
def test_a_scan_does_not_run_away_from_the_database(
    indexing: Indexing, encoder: TinyEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New prices of ten million pictures would wait in memory."""
    monkeypatch.setattr(handover, "_AHEAD", 10)
    monkeypatch.setattr(scan, "_GROUP", 10)
    files = {str(number): png(0) for number in range(500)}
    run(indexing, ListedSource(map(item, files), files), encoder)
    watching = Counting(pause=0.0005)
    highest = 0

    def entries() -> Iterator[SourceEntry]:
        nonlocal highest
        for number, key in enumerate(files):
            highest = max(highest, number - watching.done)
            yield item(key, attributes={"price": 1})

    indexing.run("shop", ListedSource(entries(), files), encoder, watching, recall=0.95)
    assert highest <= 10 + 10 + 2


@ON_SQLITE
def test_a_process_embeds_as_this_one_does(
    indexing: Indexing, database: Database, tmp_path: Path
) -> None:
    towers.clip(tmp_path)
    options = EncoderOptions(precision="fp32")
    encoder = load_encoder(f"open_clip:local-dir:{tmp_path}", options)
    with pool_of(encoder, ["cpu"], options) as pool:
        summary = indexing.run("shop", listed(30), encoder, Silent(), recall=0.95, pool=pool)
    assert (summary.images.embedded, len(keys(database))) == (30, 30)
