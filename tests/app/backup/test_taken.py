"""Backups are taken while others write, again and again, into the same folder."""

import multiprocessing
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from app.backup.errors import BackupFailed, BackupRefused
from app.backup.manifest import KeptVersions, read_manifest
from app.backup.verification import verify_backup
from app.config import Settings
from indexer.catalog.tables import Image
from indexer.progress import Silent
from tests.app.backup.conftest import catalog_of, restore, take
from tests.app.shop import index, opened, paint, search
from tests.app.uploads import png, put_file
from tests.databases import ON_SQLITE
from tests.indexer.crashing_run import die_at
from tests.indexer.versions import flip

FORK_SERVER = multiprocessing.get_context("forkserver")
FORK_SERVER.set_forkserver_preload(["app.main", "indexer.indexing"])
"""To import them takes longer than a backup."""


class Meanwhile(Silent):
    """Something happens at each step of a stage, `start` among them."""

    def __init__(self, stage: str, act: Callable[[], object]) -> None:
        self._stage, self._act = stage, act
        self._is_in_stage = False

    def start(self, stage: str, total: int | None) -> None:  # noqa: ARG002
        self._is_in_stage = stage == self._stage
        self.advance()

    def advance(self, steps: int = 1) -> None:  # noqa: ARG002
        if self._is_in_stage:
            self._act()


def faults(destination: Path) -> list[str]:
    return verify_backup(destination, Silent()).faults


def keys(settings: Settings) -> set[str]:
    with catalog_of(settings) as session:
        return set(session.scalars(select(Image.key)))


def stored(destination: Path) -> dict[str, int]:
    """Paths and inodes: what is written anew gets another."""
    found = (destination / "files").rglob("*")
    return {str(path): path.stat().st_ino for path in found if path.is_file()}


def test_a_backup_is_of_one_moment_while_others_write(
    past: Settings, elsewhere: Settings, destination: Path
) -> None:
    before = keys(past)
    with opened(past) as client:
        number = 0

        def put_one() -> None:
            nonlocal number
            number += 1
            answer = put_file(client, f"late-{number}", png((number, 0, 0)))
            assert answer.status_code == 201, answer.text

        take(past, destination, progress=Meanwhile("catalog", put_one))
        assert len(keys(past)) == len(before) + number > len(before) + 5
    restore(destination, elsewhere)
    assert keys(elsewhere) == before | {"late-1"}  # that was put before the first query
    with opened(elsewhere) as client:
        assert set(search(client, text="red", k=10)) == keys(elsewhere)


@ON_SQLITE
def test_a_second_backup_adds_what_is_new_and_forgets_what_is_gone(
    past: Settings, destination: Path, photos: Path
) -> None:
    first = take(past, destination)
    had = stored(destination)
    paint(photos / "black.png", "black")
    index(past.model_copy(update={"keep_versions": 1}), photos)
    second = take(past, destination)
    has = stored(destination)
    kept = had.keys() & has.keys()
    assert second.copied.new_files == len(has.keys() - had.keys()) > 0
    assert second.removed == len(had.keys() - has.keys()) > 0
    assert all(had[path] == has[path] for path in kept)
    assert any("/pictures/" in path for path in kept)
    assert second.manifest.created_at > first.manifest.created_at
    assert len(list(destination.glob("catalog-*"))) == 1
    assert faults(destination) == []
    assert take(past, destination).copied.new_files == 0


@ON_SQLITE
def test_files_that_are_collected_meanwhile_cost_another_snapshot(
    past: Settings, elsewhere: Settings, destination: Path, photos: Path
) -> None:
    """A run publishes, and collects, between the rows and their files."""
    runs = []

    def collect() -> None:
        if not runs:
            paint(photos / "black.png", "black")
            runs.append(index(past.model_copy(update={"keep_versions": 1}), photos).version)

    taken = take(past, destination, progress=Meanwhile("files", collect))
    assert taken.manifest.rows["index_versions"] == 1
    assert faults(destination) == []
    restore(destination, elsewhere)
    with opened(elsewhere) as client:
        assert client.get("/v1/collections/shop").json()["active_version"] == runs[0]


@ON_SQLITE
@pytest.mark.parametrize(
    ("kind", "is_there", "named"),
    [
        ("shards/*", True, "/shards/"),
        ("pictures/*/*", False, "the picture of 'pink'"),
        ("versions/*/vectors.f16", True, r"vectors\.f16"),
        ("versions/*/manifest.json", False, "the manifest"),
    ],
)
def test_what_is_damaged_or_lost_is_named_and_the_last_backup_stays(
    past: Settings, destination: Path, photos: Path, kind: str, is_there: bool, named: str
) -> None:
    first = take(past, destination).manifest
    with opened(past) as client:
        put_file(client, "pink", png("pink"))
    paint(photos / "black.png", "black")
    index(past, photos)
    saved, collections = stored(destination), past.data_dir / "collections"
    new = [
        path
        for path in collections.glob(f"*/{kind}")
        if not (destination / "files" / path.relative_to(collections)).exists()
    ]
    file = max(new, key=lambda path: path.stat().st_mtime_ns)
    if is_there:
        flip(file, 77)
    else:
        file.unlink()
    with pytest.raises(BackupFailed, match=f"{named}.*still holds the backup of"):
        take(past, destination)
    assert read_manifest(destination) == first
    assert saved.items() <= stored(destination).items()
    assert faults(destination) == []
    assert len(list(destination.glob("catalog-*"))) == 1


@ON_SQLITE
def test_a_full_disk_leaves_the_last_backup(past: Settings, destination: Path) -> None:
    first = take(past, destination).manifest
    with opened(past) as client:
        put_file(client, "pink", png("pink"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60, limits[1]))

    try:
        with pytest.raises(BackupFailed, match="still holds the backup of"):
            take(past, destination, progress=Meanwhile("files", fill))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_manifest(destination) == first
    assert faults(destination) == []
    assert take(past, destination).copied.new_files == 1


@ON_SQLITE
@pytest.mark.parametrize(
    "point",
    [
        "app.backup.copying:_copy_hashing:5:after",
        "app.backup.taking:write_manifest:1:before",
        "app.backup.taking:sweep:1:before",
    ],
)
def test_a_backup_that_is_killed_is_finished_by_the_next(
    past: Settings, destination: Path, point: str
) -> None:
    take(past, destination, KeptVersions.NONE)
    first = read_manifest(destination)
    child = FORK_SERVER.Process(target=take_and_die, args=(past, destination, point))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert faults(destination) == []
    assert (read_manifest(destination) == first) == ("sweep" not in point)
    left = stored(destination)
    taken = take(past, destination)
    assert faults(destination) == []
    assert len(list(destination.glob("catalog-*"))) == 1
    has = stored(destination)
    assert len(has) == taken.manifest.files
    whole = {path: inode for path, inode in left.items() if path in has}
    assert whole.items() <= has.items()


@ON_SQLITE
def test_nobody_else_can_read_a_backup(past: Settings, destination: Path) -> None:
    """It has the hashes of keys, and pictures that nobody else may see."""
    take(past, destination)
    for path in (destination, *destination.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


@ON_SQLITE
def test_a_folder_that_is_no_backups_is_left_alone(past: Settings, tmp_path: Path) -> None:
    other = tmp_path / "documents"
    other.mkdir()
    (other / "novel.txt").write_text("once")
    inside = next(past.data_dir.glob("collections/*"))
    for folder in (other, past.data_dir, tmp_path, inside):
        with pytest.raises(BackupRefused, match=str(folder)):
            take(past, folder)
    assert (other / "novel.txt").read_text() == "once"
    assert [path.name for path in other.iterdir()] == ["novel.txt"]


@ON_SQLITE
def test_two_backups_into_one_folder_do_not_meet(past: Settings, destination: Path) -> None:
    def again() -> None:
        with pytest.raises(BackupRefused, match="another backup"):
            take(past, destination)

    take(past, destination, progress=Meanwhile("catalog", again))
    assert faults(destination) == []


def take_and_die(settings: Settings, destination: Path, point: str) -> None:
    """In a process of its own."""
    die_at(point)
    take(settings, destination)
