"""`noongil backup`, `noongil backup verify`, `noongil restore`, as an operator calls them."""

from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from tests.app.command_line import Run, runner
from tests.indexer.versions import flip


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    path = tmp_path / "catalog.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def noongil(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    return runner(settings, monkeypatch, capfd)


def json_of(noongil: Run, *arguments: str) -> dict[str, Any]:
    printed = noongil(*arguments, "--json").json()
    assert isinstance(printed, dict)
    return printed


@pytest.mark.usefixtures("past")
def test_a_backup_is_taken_verified_and_restored_by_commands(
    noongil: Run, destination: Path, elsewhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = json_of(noongil, "backup", str(destination))
    assert taken["rows"]["images"] == 4
    assert taken["new_files"] == taken["files"] > 0
    verified = json_of(noongil, "backup", "verify", str(destination))
    assert (verified["faults"], verified["files"]) == ([], taken["files"])
    assert "the backup is intact" in noongil("backup", "verify", str(destination)).err
    again = noongil("backup", str(destination), "--versions", "active")
    assert (again.code, again.out) == (0, "")
    assert "1 versions" in again.err
    shown = json_of(noongil, "collections", "show", "shop")
    monkeypatch.setenv("NOONGIL_DATA_DIR", str(elsewhere.data_dir))
    monkeypatch.setenv("NOONGIL_DATABASE_URL", elsewhere.database_url)
    restored = json_of(noongil, "restore", str(destination))
    assert restored["rows"]["images"] == 4
    assert json_of(noongil, "collections", "show", "shop") == shown
    assert noongil("index", "verify", "shop").code == 0
    refused = noongil("restore", str(destination))
    assert (refused.code, refused.out) == (1, "")
    assert "is not empty" in refused.err


@pytest.mark.usefixtures("past")
def test_damage_is_a_line_and_an_exit_code(noongil: Run, destination: Path) -> None:
    assert noongil("backup", str(destination)).code == 0
    shard = next(destination.glob("files/*/shards/*"))
    flip(shard, 77)
    ran = noongil("backup", "verify", str(destination), "--json")
    assert ran.code == 1
    assert ran.out.count(f"{shard.name} does not match its SHA-256") == 1
    assert ran.err.splitlines()[-1].endswith(f"{shard.name} does not match its SHA-256")


def test_an_empty_catalog_is_backed_up_too(
    noongil: Run, destination: Path, elsewhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert json_of(noongil, "backup", str(destination))["files"] == 0
    monkeypatch.setenv("NOONGIL_DATA_DIR", str(elsewhere.data_dir))
    monkeypatch.setenv("NOONGIL_DATABASE_URL", elsewhere.database_url)
    assert noongil("restore", str(destination)).code == 0
    assert noongil("collections", "list", "--json").json() == []


@pytest.mark.parametrize("command", [("backup", "verify"), ("restore",)])
def test_where_there_is_no_backup_it_is_one_line(noongil: Run, command: tuple[str, ...]) -> None:
    ran = noongil(*command, "none")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: none holds no backup")
    assert ran.err.count("\n") == 1
