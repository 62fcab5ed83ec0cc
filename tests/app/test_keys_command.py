"""`noongil keys`: the way to the first key, and out when the last is lost."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.config import Settings
from indexer.catalog import db
from tests.app.command_line import Run, runner
from tests.app.keys import bearer, expire, guarded
from tests.app.shop import opened
from tests.indexer.pictures.hostile import write_good


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    db.upgrade(url)
    return url


@pytest.fixture
def noongil(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    return runner(settings, monkeypatch, capfd)


def test_the_key_alone_goes_to_standard_output(noongil: Run, settings: Settings) -> None:
    ran = noongil("keys", "create", "--name", "상점", "--scope", "admin")
    assert ran.code == 0, ran.err
    key = ran.out.removesuffix("\n")
    assert "not shown again" in ran.err
    assert key.rpartition("_")[2] not in ran.err
    with opened(guarded(settings)) as client:
        assert client.get("/v1/admin/keys", headers=bearer(key)).json()[0]["name"] == "상점"


def test_every_option_of_a_key(noongil: Run) -> None:
    options = ["--scope", "read", "--expires-days", "30", "--requests-per-minute", "0"]
    made = noongil("keys", "create", "--name", "shop", *options, "--json").json()
    assert isinstance(made, dict)
    assert made["key"].startswith(f"ng_{made['id']}_")
    assert made["requests_per_minute"] == 0
    end, start = (datetime.fromisoformat(made[name]) for name in ("expires_at", "created_at"))
    assert timedelta(days=29) < end - start <= timedelta(days=30)
    (listed,) = noongil("keys", "list", "--json").json()  # type: ignore[misc]
    assert listed == {name: value for name, value in made.items() if name != "key"}


def test_the_table_shows_what_can_be_told_of_a_key(noongil: Run, settings: Settings) -> None:
    for name, options in {
        "shop": ["--requests-per-minute", "60"],
        "old": ["--expires-days", "1"],
        "\x1b[2Jevil": [],
    }.items():
        noongil("keys", "create", "--name", name, "--scope", "read", *options)
    listed = noongil("keys", "list", "--json").json()
    assert isinstance(listed, list)
    expire(settings, next(key["id"] for key in listed if key["name"] == "old"))
    table = noongil("keys", "list").out
    assert "\x1b" not in table
    rows = {row.split()[1]: row for row in table.splitlines()[1:]}
    assert "60" in rows["shop"]
    assert "never" in rows["shop"]
    assert "(expired)" in rows["old"]
    assert "as set" in rows["old"]


def test_rotation_and_revocation(noongil: Run, settings: Settings) -> None:
    old = noongil("keys", "create", "--name", "shop", "--scope", "read").out.strip()
    old_id = old.split("_")[1]
    ran = noongil("keys", "rotate", old_id, "--grace-hours", "0.5")
    new = ran.out.strip()
    assert f"key {old_id} goes on working until" in ran.err
    with opened(guarded(settings)) as client:
        for key in (old, new):
            assert client.get("/v1/collections", headers=bearer(key)).status_code == 200
    assert noongil("keys", "rotate", old_id, "--grace-hours", "0").err.endswith("works no more\n")
    assert noongil("keys", "revoke", old_id).code == 0
    with opened(guarded(settings)) as client:
        assert client.get("/v1/collections", headers=bearer(old)).status_code == 401
        assert client.get("/v1/collections", headers=bearer(new)).status_code == 200


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "--name", "shop", "--scope", "owner"],
        ["create", "--name", " ", "--scope", "read"],
        ["create", "--name", "x" * 65, "--scope", "read"],
        ["create", "--name", "shop", "--scope", "read", "--expires-days", "0"],
        ["create", "--name", "shop", "--scope", "read", "--expires-days", "1000000000"],
        ["create", "--name", "shop", "--scope", "read", "--requests-per-minute", "-1"],
        ["revoke", "nothing"],
        ["rotate", "nothing"],
        ["rotate", "nothing", "--grace-hours", "nan"],
    ],
)
def test_what_makes_no_sense_is_a_message(noongil: Run, arguments: list[str]) -> None:
    ran = noongil("keys", *arguments)
    assert ran.code != 0
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert noongil("keys", "list", "--json").json() == []


def test_looking_before_there_is_anything_spoils_nothing(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """SQLite creates the file that it looks into: `index` would take it for a database."""
    fresh = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/new/noongil.db"})
    noongil = runner(fresh, monkeypatch, capfd)
    for command in (["keys", "list"], ["collections", "list"], ["serve"]):
        early = noongil(*command)
        assert (early.code, early.out) == (1, "")
        assert "there is no database at" in early.err
    write_good(tmp_path / "new", 2)
    assert noongil("index", str(tmp_path / "new"), "--collection", "shop").code == 0
