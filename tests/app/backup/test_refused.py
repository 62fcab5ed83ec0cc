"""What is damaged is found, and is never restored; nothing that is there is overwritten."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from alembic.runtime.migration import MigrationContext

from app.backup.errors import BackupDamaged, BackupRefused
from app.backup.manifest import read_manifest, write_manifest
from app.config import Settings
from indexer.catalog import db
from indexer.catalog.tables import Collection
from tests.app.backup.conftest import catalog_of, restore, take
from tests.app.backup.test_taken import FORK_SERVER, faults
from tests.app.shop import index, opened, search
from tests.indexer.crashing_run import die_at
from tests.indexer.versions import flip


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    path = tmp_path / "catalog.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def taken(past: Settings, destination: Path) -> Path:
    take(past, destination)
    return destination


def is_untouched(settings: Settings) -> bool:
    return not settings.data_dir.exists()


LATER = "UPDATE alembic_version SET version_num = '9999'"

FILES = [
    "catalog-*.db",
    "files/*/shards/*",
    "files/*/pictures/*/*",
    "files/*/versions/*/vectors.f16",
    "files/*/versions/*/manifest.json",
    "files/*/versions/*/manifest.json.sha256",
]


def test_a_flipped_byte_is_found_wherever_it_is(taken: Path, elsewhere: Settings) -> None:
    """Each file is damaged, and mended again."""
    for pattern in FILES:
        with damaged(next(taken.glob(pattern))) as file:
            (fault,) = faults(taken)
            assert file.name in fault
            with pytest.raises(BackupDamaged, match=file.name):
                restore(taken, elsewhere)
    with damaged(taken / "backup.json"):
        for look in (faults, lambda root: restore(root, elsewhere)):
            with pytest.raises(BackupDamaged, match=r"backup\.json"):
                look(taken)
    assert is_untouched(elsewhere)
    assert faults(taken) == []


@contextmanager
def damaged(file: Path) -> Iterator[Path]:
    """In the middle, for a while."""
    whole = file.read_bytes()
    flip(file, 8 * (len(whole) // 2))
    yield file
    file.write_bytes(whole)


def test_a_list_that_leads_elsewhere_is_not_followed(
    taken: Path, elsewhere: Settings, tmp_path: Path
) -> None:
    """A backup may come from somebody else."""
    (tmp_path / "secret").write_bytes(b"")
    row = ("../../secret", 0, hashlib.sha256(b"").hexdigest())
    listed = "INSERT INTO backup_files VALUES (?, ?, ?)"
    rewrite_catalog(taken, lambda url: execute(url, listed, row))
    assert "../../secret leads out of the backup" in faults(taken)
    with pytest.raises(BackupDamaged):
        restore(taken, elsewhere)


def test_nor_is_a_row(taken: Path, elsewhere: Settings) -> None:
    """What it names would be read, and swept with the next run."""
    for change in (
        "UPDATE collections SET folder = '../../outside'",
        "UPDATE index_versions SET name = '..' WHERE id = (SELECT min(id) FROM index_versions)",
        "UPDATE shards SET path = '/etc/passwd' WHERE id = (SELECT min(id) FROM shards)",
        "UPDATE images SET content_hash = '../outside'",
    ):
        rewrite_catalog(taken, partial(execute, statement=change))
    assert [fault.partition(": ")[2] for fault in faults(taken)] == [
        "collections name a file that leads out of it: ../../outside",
        "index_versions name a file that leads out of it: ..",
        "shards name a file that leads out of it: /etc/passwd",
        "images name a file that leads out of it: ../outside",
    ]
    with pytest.raises(BackupDamaged):
        restore(taken, elsewhere)
    assert is_untouched(elsewhere)


def test_nor_is_what_is_no_path(taken: Path) -> None:
    row = ("shop/a\0b", 0, "")
    rewrite_catalog(
        taken, lambda url: execute(url, "INSERT INTO backup_files VALUES (?, ?, ?)", row)
    )
    assert r"'shop/a\x00b' cannot be read: it is no path" in faults(taken)


def test_a_file_that_is_missing_or_cut_is_found(taken: Path, elsewhere: Settings) -> None:
    shards = sorted(taken.glob("files/*/shards/*"))
    shards[0].unlink()
    shards[1].write_bytes(shards[1].read_bytes()[:-1])
    assert {fault.rpartition(".npy ")[2] for fault in faults(taken)} == {
        "cannot be read: No such file or directory",
        f"has {shards[1].stat().st_size} bytes, not {shards[1].stat().st_size + 1}",
    }
    with pytest.raises(BackupDamaged, match=r"nothing was restored.*and 1 more fault"):
        restore(taken, elsewhere)
    assert is_untouched(elsewhere)


def test_what_was_lost_of_a_backup_is_copied_again(past: Settings, taken: Path) -> None:
    """A file of another size; one of the same is for `backup verify` to find."""
    shard = next(taken.glob("files/*/shards/*"))
    shard.write_bytes(b"")
    next(taken.glob("files/*/pictures/*/*")).unlink()
    assert take(past, taken).copied.new_files == 2
    assert faults(taken) == []


def test_a_damaged_backup_does_not_bar_the_next(past: Settings, taken: Path) -> None:
    """Its files are read again, and those that are whole are kept."""
    flip(next(taken.glob("files/*/shards/*")), 700)
    for file in (read_manifest(taken).catalog.name, "backup.json"):
        flip(taken / file, 800)
        assert take(past, taken).copied.new_files == (1 if file != "backup.json" else 0)
        assert faults(taken) == []


def test_a_catalog_with_rows_is_left_as_it_is(
    past: Settings, taken: Path, elsewhere: Settings
) -> None:
    before = Path(past.database_url.removeprefix("sqlite:///")).read_bytes()
    with pytest.raises(BackupRefused, match="the database is not empty"):
        restore(taken, elsewhere.model_copy(update={"database_url": past.database_url}))
    with pytest.raises(BackupRefused, match="is not empty"):
        restore(taken, elsewhere.model_copy(update={"data_dir": past.data_dir}))
    assert Path(past.database_url.removeprefix("sqlite:///")).read_bytes() == before
    assert is_untouched(elsewhere)


@pytest.mark.parametrize("name", ["files", "catalog-2024.pdf"])
def test_a_folder_of_somebody_elses_is_not_swept(
    past: Settings, destination: Path, name: str
) -> None:
    """Though what is in it is called as in a backup."""
    theirs = destination / name / "thesis.odt"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"")
    with pytest.raises(BackupRefused, match=f"something else than a backup: {name}"):
        take(past, destination)
    assert theirs.exists()


def test_an_old_catalog_with_rows_is_not_even_migrated(taken: Path, elsewhere: Settings) -> None:
    db.upgrade(elsewhere.database_url)
    with catalog_of(elsewhere) as session:
        session.add(
            Collection(name="a", folder="a", model="tiny", encoder_fingerprint="", dim=1, recall=1)
        )
    db.downgrade(elsewhere.database_url, "0004")
    with pytest.raises(BackupRefused, match="its table collections has rows"):
        restore(taken, elsewhere)
    assert revision_of(elsewhere) == "0004"


@pytest.mark.parametrize("point", ["activate:1:before", "fsync_folder:1:after"])
def test_a_restoration_that_is_killed_can_be_begun_again(
    taken: Path, elsewhere: Settings, point: str
) -> None:
    """All files are there by then, aside or in their place, and all rows but for the last step."""
    point = f"app.backup.restoring:{point}"
    child = FORK_SERVER.Process(target=restore_and_die, args=(taken, elsewhere, point))
    child.start()
    child.join()
    assert child.exitcode == -9
    restore(taken, elsewhere)
    assert sorted(path.name for path in elsewhere.data_dir.iterdir())[:1] == ["collections"]
    with opened(elsewhere) as client:
        assert search(client, text="gold", k=1) == ["gold"]


def test_a_backup_of_an_older_revision_is_migrated(
    taken: Path, elsewhere: Settings, photos: Path
) -> None:
    rewrite_catalog(taken, lambda url: db.downgrade(url, "0004"), revision="0004")
    assert faults(taken) == []
    restore(taken, elsewhere)
    assert revision_of(elsewhere) == db._head()
    assert index(elsewhere, photos).images.embedded == 0
    with opened(elsewhere) as client:
        assert search(client, text="gold", k=1) == ["gold"]


def test_a_backup_of_a_later_revision_is_refused(taken: Path, elsewhere: Settings) -> None:
    rewrite_catalog(taken, lambda url: execute(url, LATER), revision="9999")
    with pytest.raises(BackupRefused, match="revision 9999, which this program does not know"):
        restore(taken, elsewhere)
    assert is_untouched(elsewhere)


def test_a_backup_of_a_later_format_is_neither_read_nor_overwritten(
    past: Settings, taken: Path, elsewhere: Settings
) -> None:
    later = json.loads((taken / "backup.json").read_bytes())
    later["backup"]["format"] = 99
    (taken / "backup.json").write_text(json.dumps(later))
    for act in (lambda: restore(taken, elsewhere), lambda: take(past, taken)):
        with pytest.raises(BackupRefused, match="in format 99"):
            act()
    assert json.loads((taken / "backup.json").read_bytes()) == later


def test_where_there_is_no_backup_that_is_said(tmp_path: Path, elsewhere: Settings) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(BackupRefused, match="holds no backup"):
            restore(folder, elsewhere)


def test_a_backup_is_read_from_where_nothing_can_be_written(
    taken: Path, elsewhere: Settings
) -> None:
    """Neither a log nor a lock beside it: it may be on a disc, or mounted read-only."""
    before = {path: path.stat().st_mtime_ns for path in (taken, *taken.rglob("*"))}
    restore(taken, elsewhere)
    assert {path: path.stat().st_mtime_ns for path in (taken, *taken.rglob("*"))} == before


def rewrite_catalog(
    root: Path, change: Callable[[str], object], revision: str | None = None
) -> None:
    """As another edition would have written it."""
    manifest = read_manifest(root)
    path = root / manifest.catalog.name
    change(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    data = path.read_bytes()
    entry = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    catalog = manifest.catalog.model_copy(update=entry)
    changes = {"revision": revision or manifest.revision, "catalog": catalog}
    write_manifest(root, manifest.model_copy(update=changes))


def execute(url: str, statement: str, parameters: tuple[object, ...] = ()) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute(statement, parameters)
    connection.close()


def revision_of(settings: Settings) -> str:
    with catalog_of(settings) as session:
        return str(MigrationContext.configure(session.connection()).get_current_revision())


def restore_and_die(source: Path, settings: Settings, point: str) -> None:
    """In a process of its own."""
    die_at(point)
    restore(source, settings)
