"""The command line: what it prints for people and for programs, and how it fails."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from fastapi.testclient import TestClient
from typer.core import TyperGroup

from app.cli import cli
from app.config import Settings
from indexer.catalog import db
from tests.app.command_line import Run, runner
from tests.app.shop import at_work, collection_folder, index, opened, paint, refresh, search
from tests.indexer.pictures.hostile import write_good, write_hostile


@pytest.fixture
def noongil(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    return runner(settings, monkeypatch, capfd)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    db.upgrade(url)
    return url


def commands() -> dict[str, str]:
    """Each command with its help, groups among them."""
    found = {}
    pending = [("", typer.main.get_command(cli))]
    while pending:
        path, command = pending.pop()
        found[path] = command.help or ""
        if isinstance(command, TyperGroup):
            context = typer.Context(command)
            pending += [
                (f"{path} {name}".strip(), command.get_command(context, name))
                for name in command.list_commands(context)
            ]
    return found


@pytest.mark.parametrize(("command", "help_"), commands().items(), ids=commands())
def test_every_command_explains_itself(noongil: Run, command: str, help_: str) -> None:
    ran = noongil(*command.split(), "--help")
    assert ran.code == 0
    assert "Usage: " in ran.out
    assert help_
    assert help_.split(".", maxsplit=1)[0] in ran.out


def test_commands_that_serve_nothing_do_without_the_server() -> None:
    """To import it takes as long as all the rest."""
    modules = ", ".join(f"app.commands.{name}" for name in ("keys", "jobs", "index", "encoder"))
    code = f"import sys, app.cli, {modules}; print('app.main' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_the_commands_of_the_contract_are_there() -> None:
    assert commands().keys() >= {
        "demo",
        "db upgrade",
        "index",
        "index stats",
        "index verify",
        "index recall",
        "search",
        "serve",
        "collections list",
        "collections show",
        "collections delete",
        "versions list",
        "versions activate",
    }


def test_hostile_files_among_good_ones_are_counted_and_named(noongil: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    hostile = write_hostile(folder)
    write_good(folder, 60)
    ran = noongil("index", str(folder), "--collection", "mixed", "--json")
    summary = ran.json()
    assert isinstance(summary, dict)
    assert (summary["total"], summary["embedded"], summary["published"]) == (60, 60, True)
    assert sum(summary["rejected"].values()) == 50
    rejects = {reject["id"]: reject["reason"] for reject in summary["rejects"]}
    assert rejects == {name: reason.value for name, reason in hostile.items()}
    assert "mixed: 60 images · 60 embedded" in ran.err
    assert "50 rejected" in ran.err
    assert "rejected 14 truncated: " in ran.err
    assert f"published version {summary['version']}" in ran.err


def test_indexing_again_says_that_nothing_changed(noongil: Run, photos: Path) -> None:
    noongil("index", str(photos), "--collection", "shop")
    ran = noongil("index", str(photos), "--collection", "shop")
    assert ran.code == 0
    assert "3 unchanged" in ran.err
    assert "nothing changed" in ran.err
    assert ran.out == "", "results alone go to standard output"


def test_search_prints_a_table_or_the_response_of_the_api(noongil: Run, photos: Path) -> None:
    noongil("index", str(photos), "--collection", "shop")
    table = noongil("search", "빨강", "--collection", "shop", "-k", "2").out.splitlines()
    assert table[0].split() == ["score", "relevance", "id"]
    assert table[1].split()[-1] == "red.png"
    assert len(table) == 3
    body = noongil("search", "빨강", "--collection", "shop", "-k", "2", "--json").json()
    assert isinstance(body, dict)
    assert {"id", "score", "relevance", "uri"} <= body["hits"][0].keys()
    assert body["hits"][0]["id"] == "red.png"
    assert body["query"]["language"] == "ko"


def test_search_filters_sorts_and_counts(noongil: Run, photos: Path) -> None:
    lines = "image,price,kind\nred.png,3,warm\ngreen.png,2,cold\nblue.png,1,cold\n"
    (photos / "wares.csv").write_text(lines)
    noongil("index", str(photos / "wares.csv"), "--collection", "shop")
    options = ["--filter", '{"price": {"lte": 2}}', "--sort", "price", "--facet", "kind"]
    body = noongil("search", "빨강", "--collection", "shop", *options, "--json").json()
    assert isinstance(body, dict)
    assert [hit["id"] for hit in body["hits"]] == ["blue.png", "green.png"]
    assert body["facets"] == {"kind": [{"value": "cold", "count": 2}]}
    table = noongil("search", "빨강", "--collection", "shop", *options).out
    assert table.split()[-4:] == ["kind", "images", "cold", "2"]


def test_a_file_name_cannot_write_to_the_terminal(noongil: Run, photos: Path) -> None:
    (photos / "red.png").rename(photos / "[blue]red\x1b[2J\n.png")
    (photos / "\x1b]0;broken\x07.jpg").write_bytes(b"")
    indexed = noongil("index", str(photos), "--collection", "shop")
    assert r"rejected 1 empty_file: \x1b]0;broken\x07.jpg" in indexed.err
    found = noongil("search", "red", "--collection", "shop")
    assert r"[blue]red\x1b[2J\n.png" in found.out
    assert "\x1b" not in indexed.err + found.out


def test_collections_are_listed_shown_and_deleted(
    noongil: Run, photos: Path, settings: Settings
) -> None:
    assert noongil("collections", "list", "--json").json() == []
    noongil("index", str(photos), "--collection", "shop")
    view = noongil("collections", "show", "shop", "--json").json()
    assert isinstance(view, dict)
    assert (view["name"], view["images"], view["model"]) == ("shop", 3, "tiny")
    assert noongil("collections", "list", "--json").json() == [view]
    assert "shop" in noongil("collections", "list").out
    assert view["active_version"] in noongil("collections", "show", "shop").out
    folder = collection_folder(settings).root
    assert noongil("collections", "delete", "shop").code == 1, "nobody said yes"
    assert noongil("collections", "show", "shop").code == 0
    assert noongil("collections", "delete", "shop", "--yes").code == 0
    assert noongil("collections", "list", "--json").json() == []
    assert not folder.exists()


def test_a_rollback_is_followed_by_a_running_server(
    noongil: Run, photos: Path, settings: Settings
) -> None:
    old = str(index(settings, photos).version)
    paint(photos / "white.png", "white")
    new = str(index(settings, photos).version)
    with opened(settings) as client:
        assert len(search(client, text="red")) == 4
        ran = noongil("versions", "activate", "shop", old)
        assert (ran.code, ran.err.strip()) == (0, f"shop serves {old}")
        refresh(client)
        assert len(search(client, text="red")) == 4, "what came since is searched beside it"
        answer = client.post("/v1/collections/shop/search", json={"text": "red"}).json()
        assert answer["version"] == old
        versions = noongil("versions", "list", "shop", "--json").json()
        assert isinstance(versions, list)
        assert [(version["name"], version["active"]) for version in versions] == [
            (new, False),
            (old, True),
        ]
        assert {"model", "index", "images", "size_bytes", "created_at"} <= versions[0].keys()
        assert "●" in noongil("versions", "list", "shop").out
        noongil("versions", "activate", "shop", new)
        refresh(client)
        assert len(search(client, text="red")) == 4


FAILURES = [
    (["search", "red", "--collection", "none"], "there is no collection 'none'"),
    (["collections", "show", "none"], "there is no collection 'none'"),
    (["collections", "delete", "none", "--yes"], "there is no collection 'none'"),
    (["versions", "list", "none"], "there is no collection 'none'"),
    (["versions", "activate", "shop", "none"], "has no version 'none'"),
    (["index", "no-such-folder", "--collection", "shop"], "does not exist"),
    (["index", "ftp://example.com/a.csv", "--collection", "shop"], "not supported"),
    (["index", "photos", "--collection", "shop", "--model", "none"], "unknown model 'none'"),
    (["search", " \u200b", "--collection", "shop"], "blank"),
    (["search", "red", "--collection", "shop", "--sort", "price"], "sort"),
    (["search", "red", "--collection", "shop", "--filter", '{"price": 1}'], "filter.price"),
    (["serve", "--host", "192.0.2.1"], "NOONGIL_ALLOW_OPEN"),
    (["demo", "no-such-folder", "--port", "0"], "does not exist"),
]


@pytest.mark.parametrize(("arguments", "why"), FAILURES, ids=lambda value: str(value)[:40])
def test_what_a_user_can_mend_is_one_line(
    noongil: Run, settings: Settings, photos: Path, arguments: list[str], why: str
) -> None:
    index(settings, photos)
    ran = noongil(*arguments)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: ")
    assert why in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["index", "photos", "--collection", "Not A Name"],
        ["index", "photos", "--collection", "../up"],
        ["search", "x" * 1001, "--collection", "shop"],
        ["search", "\ud800", "--collection", "shop"],
        ["search", "red", "--collection", "shop", "-k", "0"],
        ["search", "red", "--collection", "shop", "--filter", "{"],
        ["search", "red", "--collection", "shop", "--filter", '{"price": NaN}'],
        ["search", "red", "--collection", "shop", "--sort", "-"],
        ["search", "red", "--collection", "shop", "--min-relevance", "2"],
        ["index", "photos", "--collection", "shop", "--recall", "2"],
        ["serve", "--port", "many"],
        ["nothing"],
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_wrong_call_is_explained(noongil: Run, arguments: list[str]) -> None:
    ran = noongil(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Usage: " in ran.err


def test_a_collection_at_work_is_left_alone(noongil: Run, settings: Settings, photos: Path) -> None:
    index(settings, photos)
    with at_work(settings):
        for arguments in (
            ["index", str(photos), "--collection", "shop"],
            ["collections", "delete", "shop", "--yes"],
        ):
            ran = noongil(*arguments)
            assert ran.code == 1
            assert "another indexing run" in ran.err


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("not a url at secret", "not a database URL"),
        ("mysql://user:secret@localhost/x", "not 'mysql'"),
        ("postgresql://user:secret@127.0.0.1:1/x", "cannot be reached"),
        ("sqlite:////proc/none/catalog.db", "/proc/none"),
        ("sqlite:///fresh.db", "noongil db upgrade"),
    ],
)
@pytest.mark.parametrize(
    "arguments", [["collections", "list"], ["search", "a", "--collection", "b"], ["serve"]]
)
def test_a_database_that_cannot_be_used_is_explained_without_its_password(
    noongil: Run, monkeypatch: pytest.MonkeyPatch, url: str, why: str, arguments: list[str]
) -> None:
    monkeypatch.setenv("NOONGIL_DATABASE_URL", url)
    monkeypatch.setenv("NOONGIL_PORT", "0")
    ran = noongil(*arguments)
    assert ran.code == 1
    assert why in ran.err
    assert "secret" not in ran.err
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1


def test_index_makes_a_database_that_is_not_there_and_leaves_an_old_one_alone(
    noongil: Run, monkeypatch: pytest.MonkeyPatch, photos: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'first' / 'catalog.db'}"
    monkeypatch.setenv("NOONGIL_DATABASE_URL", url)
    assert noongil("index", str(photos), "--collection", "shop").code == 0
    db.downgrade(url, "base")
    ran = noongil("index", str(photos), "--collection", "shop")
    assert ran.code == 1
    assert "noongil db upgrade" in ran.err


@pytest.mark.parametrize("url", ["not a url at secret", "mysql://user:secret@localhost/x"])
def test_index_explains_a_bad_database_url_without_its_password(
    noongil: Run, monkeypatch: pytest.MonkeyPatch, photos: Path, url: str
) -> None:
    monkeypatch.setenv("NOONGIL_DATABASE_URL", url)
    ran = noongil("index", str(photos), "--collection", "shop")
    assert ran.code == 1
    assert ran.err.startswith("error: ")
    assert "secret" not in ran.err


def test_a_new_database_is_made_with_its_folder(
    noongil: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOONGIL_DATABASE_URL", f"sqlite:///{tmp_path / 'new' / 'deep.db'}")
    assert noongil("db", "upgrade").code == 0
    assert noongil("db", "upgrade").code == 0, "again, as every start of a service does"
    assert noongil("collections", "list", "--json").json() == []


def test_what_the_command_line_makes_the_api_shows(
    noongil: Run, client: TestClient, photos: Path
) -> None:
    noongil("index", str(photos), "--collection", "shop", "--recall", "0.9")
    refresh(client)
    assert client.get("/v1/collections/shop").json()["recall"] == 0.9
    assert search(client, text="파랑", k=1) == ["blue.png"]
