"""An indexing run: what it embeds, what it skips, what it forgets, what it publishes."""

import os
import shutil
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import select

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Image as ImageRow
from indexer.errors import RejectReason
from indexer.indexing import Indexing
from indexer.sources.folder import FolderSource
from models.encoding import encode_texts
from tests.indexer.pictures.hostile import write_good, write_hostile
from tests.indexer.runs import active, found, keys, run
from tests.tiny_encoder import TinyEncoder


def test_a_folder_becomes_a_searchable_version(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database, data_dir: Path
) -> None:
    summary = run(indexing, photos, encoder)
    assert summary.published
    assert (summary.total, summary.images.embedded) == (3, 3)
    assert found(database, data_dir, encoder, "초록") == "green.png"
    assert found(database, data_dir, encoder, "blue") == "blue.png"


def test_hostile_files_cost_nothing_but_themselves(
    indexing: Indexing, tmp_path: Path, encoder: TinyEncoder, database: Database
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    hostile = write_hostile(folder)
    good = write_good(folder, 500)
    summary = run(indexing, folder, encoder)
    assert sorted(keys(database)) == sorted(good)
    assert {reject.key: reject.reason for reject in summary.images.rejects} == hostile
    assert sum(summary.rejected.values()) == 50


class Watching:
    """Remembers how far each stage said that it came."""

    def __init__(self) -> None:
        self.done: dict[str, tuple[int, int | None]] = {}
        self.rejected: Counter[str] = Counter()

    def start(self, stage: str, total: int | None) -> None:
        self._stage = stage
        self.done[stage] = (0, total)

    def reject(self, reason: RejectReason) -> None:
        self.rejected[reason] += 1

    def advance(self, steps: int = 1) -> None:
        done, total = self.done[self._stage]
        self.done[self._stage] = (done + steps, total)


def test_progress_counts_every_file_embedded_or_not(
    indexing: Indexing, photos: Path, encoder: TinyEncoder
) -> None:
    (photos / "a.txt").write_text("no picture")
    watching = Watching()
    indexing.run("shop", FolderSource(photos), encoder, watching, recall=0.95)
    assert watching.done["embed"] == (4, 4)
    assert watching.rejected == {"not_an_image": 1}
    assert list(watching.done) == ["check", "embed", "gather", "calibrate", "verify", "switch"]


def test_a_second_run_embeds_only_what_is_new_or_changed(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database, data_dir: Path
) -> None:
    run(indexing, photos, encoder)
    again = run(indexing, photos, encoder)
    assert (again.images.embedded, again.images.unchanged, again.published) == (0, 3, False)

    Image.new("RGB", (40, 30), "yellow").save(photos / "new.png")
    Image.new("RGB", (40, 31), "black").save(photos / "red.png")
    third = run(indexing, photos, encoder)
    assert (third.images.embedded, third.images.unchanged) == (2, 2)
    assert encoder.images_encoded == 5
    assert found(database, data_dir, encoder, "yellow") == "new.png"
    assert found(database, data_dir, encoder, "black") == "red.png"


def test_a_touched_file_is_not_embedded_again(
    indexing: Indexing, photos: Path, encoder: TinyEncoder
) -> None:
    run(indexing, photos, encoder)
    os.utime(photos / "red.png", ns=(1, 1))
    touched = run(indexing, photos, encoder)
    assert (touched.images.embedded, touched.images.unchanged, touched.published) == (0, 3, False)
    assert encoder.images_encoded == 3


def test_equal_pictures_are_embedded_once_and_all_found(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database, data_dir: Path
) -> None:
    shutil.copy(photos / "red.png", photos / "red again.png")
    first = run(indexing, photos, encoder)
    assert (first.images.embedded, first.images.shared, first.total) == (3, 1, 4)
    shutil.copy(photos / "red.png", photos / "red later.png")
    second = run(indexing, photos, encoder)
    assert (second.images.embedded, second.images.shared, second.total) == (0, 1, 5)
    hits = active(database, data_dir).search(encode_texts(encoder, ["red"]), 4, 0.95, "text")
    assert np.sum(hits.scores[0] > 0.999) == 3


def test_what_left_the_source_leaves_the_collection(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database, data_dir: Path
) -> None:
    run(indexing, photos, encoder)
    (photos / "red.png").unlink()
    (photos / "blue.png").write_bytes(b"no longer a picture")
    summary = run(indexing, photos, encoder)
    assert summary.images.removed == 2
    assert keys(database) == ["green.png"]
    assert active(database, data_dir).count == 1


def test_two_sources_live_in_one_collection(
    indexing: Indexing, photos: Path, other_photos: Path, encoder: TinyEncoder, database: Database
) -> None:
    run(indexing, photos, encoder)
    summary = run(indexing, other_photos, encoder)
    assert (summary.total, summary.images.removed) == (4, 0)
    sole = run(indexing, other_photos, encoder, sole_source=True)
    assert (sole.total, sole.images.removed) == (1, 3)
    assert keys(database) == ["white.png"]


def test_decomposed_hangul_file_names_have_composed_ids(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database
) -> None:
    (photos / "red.png").rename(photos / unicodedata.normalize("NFD", "빨강.png"))
    run(indexing, photos, encoder)
    assert unicodedata.normalize("NFC", "빨강.png") in keys(database)


def test_a_key_too_long_for_the_catalog_is_rejected_not_fatal(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database
) -> None:
    deep = photos.joinpath(*["깊은폴더" * 15] * 7)
    deep.mkdir(parents=True)
    shutil.copy(photos / "red.png", deep / "far.png")
    summary = run(indexing, photos, encoder)
    assert summary.rejected == {"key_too_long": 1}
    assert len(keys(database)) == 3


def test_a_new_model_embeds_everything_and_switches_at_once(
    indexing: Indexing, photos: Path, database: Database
) -> None:
    run(indexing, photos, TinyEncoder())
    other = TinyEncoder("2")
    summary = run(indexing, photos, other)
    assert (summary.images.embedded, summary.published) == (3, True)
    with database.read() as session:
        owner = repository.collection(session, "shop")
        assert owner.model == "tiny:2"
        assert owner.encoder_fingerprint == other.spec.fingerprint


def test_a_folder_without_any_picture_publishes_nothing(
    indexing: Indexing, tmp_path: Path, encoder: TinyEncoder
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    summary = run(indexing, folder, encoder)
    assert (summary.total, summary.version, summary.published) == (0, None, False)
    assert summary.rejected == {"not_an_image": 1}


def test_a_key_that_another_source_holds_is_rejected_not_replaced(
    indexing: Indexing, photos: Path, tmp_path: Path, encoder: TinyEncoder, database: Database
) -> None:
    """2023/IMG_0001.jpg and 2024/IMG_0001.jpg, indexed as two folders."""
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (9, 9), "white").save(other / "red.png")
    Image.new("RGB", (9, 9), "black").save(other / "black.png")
    run(indexing, photos, encoder)
    summary = run(indexing, other, encoder)
    assert (summary.total, summary.rejected) == (4, {"duplicate_key": 1})
    sole = run(indexing, other, encoder, sole_source=True)
    assert (sole.total, sole.rejected) == (2, {})
    assert keys(database) == ["black.png", "red.png"]


def test_a_renamed_file_of_the_same_key_is_found_where_it_is_now(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database
) -> None:
    """A copy from macOS to Linux turns decomposed Hangul names into composed ones."""
    decomposed = photos / unicodedata.normalize("NFD", "빨강.png")
    composed = photos / unicodedata.normalize("NFC", "빨강.png")
    (photos / "red.png").rename(decomposed)
    run(indexing, photos, encoder)
    decomposed.rename(composed)
    summary = run(indexing, photos, encoder)
    assert (summary.images.embedded, summary.images.unchanged) == (0, 3)
    with database.read() as session:
        uris = list(session.scalars(select(ImageRow.uri)))
    assert composed.as_uri() in uris
