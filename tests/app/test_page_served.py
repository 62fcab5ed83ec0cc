"""What is promised about the page before any script runs: language, headers, addresses."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.web.assets import ASSETS
from app.web.language import PAGES, STRINGS, choose
from indexer.catalog import db
from tests.app.shop import opened

STATIC = Path(create_app.__code__.co_filename).parent / "web" / "static"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """Without a key, on a server that asks for one."""
    settings = Settings(model="tiny", data_dir=tmp_path, auth="on", refresh_seconds=3600)
    db.upgrade(settings.database_url)
    with opened(settings) as client:
        yield client


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "expected"),
    [
        (None, None, "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        (None, None, "en-GB", "en"),
        (None, None, "fr-FR,en;q=0.3,ko;q=0.7", "ko"),
        (None, None, "ko;q=0,en;q=0.1", "en"),
        (None, None, "ko;q=many, ,;,", "en"),
        (None, None, "", "en"),
        (None, "ko", "en", "ko"),
        ("en", "ko", "ko", "en"),
        ("tlh", None, "ko", "ko"),
    ],
)
def test_the_language_is_the_one_asked_for_then_remembered_then_accepted(
    asked: str | None, remembered: str | None, accepted: str, expected: str
) -> None:
    assert choose(asked, remembered, accepted) == expected


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_say_the_same_things(page: str) -> None:
    assert STRINGS[page]["ko"].keys() == STRINGS[page]["en"].keys()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_page_comes_in_its_language(client: TestClient, language: str) -> None:
    page = client.get("/", headers={"Accept-Language": language})
    assert f'<html lang="{language}">' in page.text
    assert f"<title>{STRINGS['search'][language]['name']}</title>" in page.text
    assert page.headers["content-language"] == language
    admin = client.get("/admin", headers={"Accept-Language": language})
    assert STRINGS["admin"][language]["reindex_hint"] in admin.text


def test_a_remembered_theme_is_in_the_page_and_nothing_else_is(client: TestClient) -> None:
    assert 'data-theme="dark"' in client.get("/", headers={"Cookie": "noongil_theme=dark"}).text
    assert "data-theme" not in client.get("/", headers={"Cookie": 'noongil_theme="><i>'}).text


@pytest.mark.parametrize("path", ["/", "/admin"])
def test_the_page_may_load_only_its_own_and_may_not_be_framed(
    client: TestClient, path: str
) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy)
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_assets_are_kept_for_ever_under_an_address_that_changes_with_them(
    client: TestClient,
) -> None:
    html = client.get("/").text + client.get("/admin").text
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', html)
    assert len(addresses) > 10
    for address in addresses:
        asset = client.get(address)
        assert asset.status_code == 200, address
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers["x-content-type-options"] == "nosniff"
    outdated = client.get("/static/0123456789abcdef/http.js")
    assert outdated.headers["cache-control"] == "no-cache"
    again = client.get(
        "/static/0123456789abcdef/http.js", headers={"If-None-Match": outdated.headers["etag"]}
    )
    assert again.status_code == 304


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_all_that_it_imports_and_nothing_else(client: TestClient, page: str) -> None:
    """A module that is not preloaded costs a round trip; one that nothing imports is dead."""
    html = client.get("/" if page == "search" else f"/{page}").text
    named = set(re.findall(rf'"{ASSETS}/([^"]+\.js)"', html))
    imported = _imported(f"{page}/main.js")
    assert named == imported
    sheets = {path.name for path in STATIC.glob(f"{page}/*.css")} | {
        path.name for path in STATIC.glob("*.css")
    }
    assert {name for name in sheets if f"/{name}" not in html} == set()


def _imported(module: str) -> set[str]:
    """The module and all that it brings with it, relative to the folder of assets."""
    found, waiting = {module}, [module]
    while waiting:
        name = waiting.pop()
        for target in re.findall(r'from "(\.[^"]+)"', (STATIC / name).read_text("utf-8")):
            imported = (STATIC / name).parent.joinpath(target).resolve().relative_to(STATIC)
            if imported.as_posix() not in found:
                found.add(imported.as_posix())
                waiting.append(imported.as_posix())
    return found


@pytest.mark.parametrize("path", ["/static/x/../../page.py", "/static/x/nothing.js", "/static/"])
def test_only_assets_are_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404
