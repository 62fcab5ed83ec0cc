"""An indexing run when things go wrong: nothing that was there is lost, nothing wrong is served."""

import os
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from indexer.building.index_spec import IndexFamily
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Shard
from indexer.embedding import write
from indexer.errors import (
    CollectionBusy,
    CollectionMixed,
    RecallTooLow,
    Rejected,
    RejectReason,
    SourceError,
)
from indexer.indexing import Indexing
from indexer.lease import hold
from indexer.progress import Silent
from indexer.sources.folder import FolderSource
from tests.indexer.listed_source import ListedSource, item, listed, png
from tests.indexer.pictures.hostile import write_good
from tests.indexer.runs import activate, active, found, keys, run
from tests.tiny_encoder import TinyEncoder


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


def test_two_models_never_meet_in_one_index(
    indexing: Indexing, photos: Path, other_photos: Path, database: Database
) -> None:
    run(indexing, photos, TinyEncoder())
    photos.rename(photos.with_name("unmounted"))
    with pytest.raises(CollectionMixed, match="does not exist"):
        run(indexing, other_photos, TinyEncoder("2"))
    with database.read() as session:
        assert repository.collection(session, "shop").model == "tiny"
    photos.with_name("unmounted").rename(photos)
    summary = run(indexing, other_photos, TinyEncoder("2"))
    assert (summary.total, summary.images.embedded) == (4, 3), "the first folder's as well"


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
    index = next(data_dir.glob("collections/*/versions/*/vectors.f16"))
    index.write_bytes(index.read_bytes()[:-1])
    again = run(indexing, photos, encoder)
    assert (again.images.embedded, again.published) == (0, True)
    assert found(database, data_dir, encoder, "red") == "red.png"


def test_a_second_run_at_the_same_time_is_refused(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database
) -> None:
    run(indexing, photos, encoder)
    with database.read() as session:
        owner = repository.collection(session, "shop")
    with hold(database, owner.id), pytest.raises(CollectionBusy):
        run(indexing, photos, encoder)


def test_old_versions_and_their_shards_go(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, data_dir: Path
) -> None:
    for size in range(1, 7):
        Image.new("RGB", (size, 9), "white").save(photos / "white.png")
        run(indexing, photos, encoder)
    assert len(list(data_dir.glob("collections/*/versions/*"))) == 3


def test_a_source_whose_pictures_all_turned_into_something_else_is_taken_for_lost(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database, data_dir: Path
) -> None:
    """The README of an empty mount point must not empty the collection either."""
    run(indexing, photos, encoder)
    for picture in photos.iterdir():
        picture.write_text("gone")
    with pytest.raises(SourceError, match="mounted"):
        run(indexing, photos, encoder)
    assert active(database, data_dir).count == 3


def test_the_rows_of_lost_images_stay_until_a_version_without_them_serves(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A renamed folder must not empty the searches of the hours that a build takes."""
    run(indexing, photos, encoder)
    (photos / "moved").mkdir()
    for picture in photos.glob("*.png"):
        picture.rename(photos / "moved" / picture.name)

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("indexer.indexing_run.build_version", full_disk)
        with pytest.raises(OSError, match="No space"):
            run(indexing, photos, encoder)
    assert {"red.png", "green.png", "blue.png"} <= set(keys(database))

    again = run(indexing, photos, encoder)
    assert (again.images.embedded, again.images.removed, again.published) == (0, 3, True)
    assert keys(database) == ["moved/blue.png", "moved/green.png", "moved/red.png"]


def test_damaged_embeddings_of_another_source_are_made_again(
    indexing: Indexing, photos: Path, other_photos: Path, encoder: TinyEncoder, data_dir: Path
) -> None:
    run(indexing, photos, encoder)
    shard = next(data_dir.glob("collections/*/shards/*.npy"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    assert run(indexing, other_photos, encoder).images.embedded == 4


def test_a_rollback_holds_until_there_is_something_new(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, database: Database, data_dir: Path
) -> None:
    first = run(indexing, photos, encoder).version
    Image.new("RGB", (9, 9), "white").save(photos / "white.png")
    run(indexing, photos, encoder)
    activate(indexing, first)
    assert run(indexing, photos, encoder).version == first
    Image.new("RGB", (9, 9), "black").save(photos / "black.png")
    assert run(indexing, photos, encoder).total == 5
    assert active(database, data_dir).count == 5


def test_many_small_shards_build_with_few_file_descriptors(
    indexing: Indexing,
    tmp_path: Path,
    encoder: TinyEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(write, "_SHARD_ROWS", 1)
    folder = tmp_path / "many"
    folder.mkdir()
    write_good(folder, 120)
    opened = len(list(Path("/proc/self/fd").iterdir())) + 60
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened, hard))
    try:
        assert run(indexing, folder, encoder).total == 120
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_dated_beyond_what_a_database_can_hold_is_indexed(
    indexing: Indexing, photos: Path, encoder: TinyEncoder
) -> None:
    os.utime(photos / "red.png", ns=(2**63 + 10**9, 2**63 + 10**9))
    assert run(indexing, photos, encoder).total == 3
    assert run(indexing, photos, encoder).images.unchanged == 3


def test_strange_files_in_the_data_folder_stop_nothing(
    indexing: Indexing, photos: Path, encoder: TinyEncoder, data_dir: Path
) -> None:
    run(indexing, photos, encoder)
    collection = next(data_dir.glob("collections/*"))
    (collection / "versions" / ".DS_Store").write_text("")
    (collection / "shards" / "folder").mkdir()
    assert not run(indexing, photos, encoder).published


def test_a_recall_that_no_index_reached_is_not_the_collections(
    indexing: Indexing,
    tmp_path: Path,
    encoder: TinyEncoder,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or the run of every night would fail from then on."""
    monkeypatch.setattr("indexer.building.index_spec.MIN_IVF", 39)
    folder = tmp_path / "many"
    folder.mkdir()
    write_good(folder, 60)
    source = FolderSource(folder)
    first = indexing.run(
        "shop", source, encoder, Silent(), recall=0.5, family=IndexFamily.FLAT
    ).version
    with monkeypatch.context() as patched:
        patched.setattr("indexer.building.calibrate._DEEPEST", 10)
        with pytest.raises(RecallTooLow):
            indexing.run(
                "shop", source, encoder, Silent(), recall=0.99, family=IndexFamily.IVF_RABITQ
            )
    assert asked_of(database) == (0.5, "flat")
    assert indexing.run("shop", source, encoder, Silent(), recall=0.5).version == first

    better = indexing.run("shop", source, encoder, Silent(), recall=0.9, family=IndexFamily.IVF_SQ8)
    assert (better.published, better.images.embedded) == (True, 0)
    assert asked_of(database) == (0.9, "ivf-sq8")


def asked_of(database: Database) -> tuple[float, str]:
    with database.read() as session:
        owner = repository.collection(session, "shop")
        return owner.recall, owner.index_family


def test_a_new_model_does_not_empty_the_index_while_nothing_can_be_read(
    indexing: Indexing, database: Database, data_dir: Path
) -> None:
    def fail() -> bytes:
        raise Rejected(RejectReason.FETCH_FAILED, "no network")

    files = {"a": png(1), "b": png(2)}
    entries = [item("a"), item("b")]
    indexing.run("shop", ListedSource(entries, files), TinyEncoder(), Silent(), recall=0.95)
    unreachable = ListedSource(entries, dict.fromkeys(files, fail))
    with pytest.raises(CollectionMixed, match="no picture of theirs can be read"):
        indexing.run("shop", unreachable, TinyEncoder("2"), Silent(), recall=0.95)
    assert active(database, data_dir).count == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_database_that_restarts_ends_the_run_and_costs_what_was_in_hand(
    indexing: Indexing,
    encoder: TinyEncoder,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(write, "_SHARD_ROWS", 8)
    others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    commits = 0

    def cut_off(*given: Any) -> None:
        nonlocal commits
        commits += 1
        if commits == 3:
            with database.engine.connect() as connection:
                connection.execute(others)
        original(*given)

    original = write.write_rows
    with monkeypatch.context() as patched:
        patched.setattr(write, "write_rows", cut_off)
        with pytest.raises(DBAPIError):
            indexing.run("shop", listed(400), encoder, Silent(), recall=0.95)
    assert len(keys(database)) == 16
    assert indexing.run("shop", listed(400), encoder, Silent(), recall=0.95).total == 400
    assert encoder.images_encoded < 800 - 16
