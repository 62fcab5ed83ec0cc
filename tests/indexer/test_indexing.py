"""An indexing run: what it embeds, what it skips, what it forgets, what it publishes."""

import os
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from indexer.backends.faiss_index import FaissIndex, open_version
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Image as ImageRow
from indexer.catalog.tables import Shard
from indexer.errors import CollectionBusy, CollectionMixed, SourceError
from indexer.indexing import Indexing, IndexSummary
from indexer.layout import CollectionFolder
from indexer.progress import Silent
from indexer.sources.folder import FolderSource
from tests.indexer.hostile import write_good, write_hostile
from tests.tiny_encoder import TinyEncoder


def run(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, *, sole_source: bool = False
) -> IndexSummary:
    source = FolderSource(photos)
    return indexing.run("shop", source, encoder, Silent(), recall=0.95, sole_source=sole_source)


def active(database: Database, data_dir: Path) -> FaissIndex:
    with database.read() as session:
        owner = repository.collection(session, "shop")
        assert owner.active_version is not None
        name = owner.active_version.name
    return open_version(CollectionFolder.of(data_dir, owner.id).version(name))[1]


def keys(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(ImageRow.key).order_by(ImageRow.key)))


def found(database: Database, data_dir: Path, encoder: TinyEncoder, text: str) -> str:
    hits = active(database, data_dir).search(encoder.encode_texts([text]), 1, recall=0.95)
    with database.read() as session:
        return session.get_one(ImageRow, int(hits.ids[0, 0])).key


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
    hits = active(database, data_dir).search(encoder.encode_texts(["red"]), 4, recall=0.95)
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


def test_an_emptied_source_is_taken_for_lost_not_for_a_wish(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database
) -> None:
    """An unmounted disk must not empty the collection."""
    run(indexing, photos, encoder)
    for picture in photos.iterdir():
        picture.unlink()
    with pytest.raises(SourceError, match="mounted"):
        run(indexing, photos, encoder)
    assert len(keys(database)) == 3


def test_a_folder_that_cannot_be_read_keeps_its_images(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(photos, photos / "sub")
    run(indexing, photos, encoder)
    original = os.scandir

    def locked(path: Path) -> Any:
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", locked)
    summary = run(indexing, photos, encoder)
    assert summary.rejected == {"unreadable": 1}
    assert summary.images.removed == 0
    assert len(keys(database)) == 6


def test_a_picture_that_cannot_be_read_keeps_its_place(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A disk that stutters is no reason to forget a picture."""
    run(indexing, photos, encoder)
    os.utime(photos / "red.png", ns=(1, 1))
    original = os.open

    def stuttering(path: os.PathLike[str], *args: int) -> int:
        if Path(path).name == "red.png":
            raise OSError(5, "Input/output error")
        return original(path, *args)

    monkeypatch.setattr(os, "open", stuttering)
    summary = run(indexing, photos, encoder)
    assert summary.rejected == {"unreadable": 1}
    assert "red.png" in keys(database)


def test_two_sources_live_in_one_collection(
    indexing: Indexing, photos: Path, tmp_path: Path, encoder: TinyEncoder, database: Database
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (9, 9), "white").save(other / "white.png")
    run(indexing, photos, encoder)
    summary = run(indexing, other, encoder)
    assert (summary.total, summary.images.removed) == (4, 0)
    sole = run(indexing, other, encoder, sole_source=True)
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


def test_two_models_never_meet_in_one_index(
    indexing: Indexing, photos: Path, tmp_path: Path, database: Database
) -> None:
    run(indexing, photos, TinyEncoder())
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (9, 9), "white").save(other / "white.png")
    with pytest.raises(CollectionMixed, match="index that source"):
        run(indexing, other, TinyEncoder("2"))
    with database.read() as session:
        assert repository.collection(session, "shop").model == "tiny"


def test_a_damaged_shard_is_embedded_again(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database, data_dir: Path
) -> None:
    run(indexing, photos, encoder)
    shard = next(data_dir.glob("collections/*/shards/*.npy"))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    Image.new("RGB", (9, 9), "white").save(photos / "white.png")
    assert run(indexing, photos, encoder).images.embedded == 4
    assert found(database, data_dir, encoder, "red") == "red.png"
    with database.read() as session:
        assert session.query(Shard).count() == 1, "the damaged shard is forgotten"
    assert not shard.exists()


def test_a_damaged_active_version_is_built_again(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database, data_dir: Path
) -> None:
    run(indexing, photos, encoder)
    index = next(data_dir.glob("collections/*/versions/*/index.faiss"))
    index.write_bytes(index.read_bytes()[:-1])
    again = run(indexing, photos, encoder)
    assert (again.images.embedded, again.published) == (0, True)
    assert found(database, data_dir, encoder, "red") == "red.png"


def test_a_second_run_at_the_same_time_is_refused(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, data_dir: Path, database: Database
) -> None:
    run(indexing, photos, encoder)
    with database.read() as session:
        collection_id = repository.collection(session, "shop").id
    with CollectionFolder.of(data_dir, collection_id).lock(), pytest.raises(CollectionBusy):
        run(indexing, photos, encoder)


def test_old_versions_and_their_shards_go(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, data_dir: Path
) -> None:
    for size in range(1, 7):
        Image.new("RGB", (size, 9), "white").save(photos / "white.png")
        run(indexing, photos, encoder)
    assert len(list(data_dir.glob("collections/*/versions/*"))) == 3


def test_a_folder_without_any_picture_publishes_nothing(
    indexing: Indexing, tmp_path: Path, encoder: TinyEncoder
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    summary = run(indexing, folder, encoder)
    assert (summary.total, summary.version, summary.published) == (0, None, False)
    assert summary.rejected == {"not_an_image": 1}


def test_removing_the_last_picture_leaves_an_empty_version(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database, data_dir: Path
) -> None:
    run(indexing, photos, encoder)
    for picture in photos.iterdir():
        picture.write_text("gone")
    assert run(indexing, photos, encoder).total == 0
    assert active(database, data_dir).count == 0
