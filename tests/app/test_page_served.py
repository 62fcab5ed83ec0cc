"""What is promised about the page before any script runs: language, headers, addresses."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.web.language import STRINGS, choose


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(create_app(Settings(data_dir=tmp_path)), "http://localhost")


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


def test_both_languages_say_the_same_things() -> None:
    assert STRINGS["ko"].keys() == STRINGS["en"].keys()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_page_comes_in_its_language(client: TestClient, language: str) -> None:
    page = client.get("/", headers={"Accept-Language": language})
    assert f'<html lang="{language}">' in page.text
    assert f"<title>{STRINGS[language]['name']}</title>" in page.text
    assert page.headers["content-language"] == language


def test_a_remembered_theme_is_in_the_page_and_nothing_else_is(client: TestClient) -> None:
    assert 'data-theme="dark"' in client.get("/", headers={"Cookie": "noongil_theme=dark"}).text
    assert "data-theme" not in client.get("/", headers={"Cookie": 'noongil_theme="><i>'}).text


def test_the_page_may_load_only_its_own_and_may_not_be_framed(client: TestClient) -> None:
    headers = client.get("/").headers
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy)
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_assets_are_kept_for_ever_under_an_address_that_changes_with_them(
    client: TestClient,
) -> None:
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', client.get("/").text)
    assert len(addresses) > 10
    for address in addresses:
        asset = client.get(address)
        assert asset.status_code == 200, address
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers["x-content-type-options"] == "nosniff"
    outdated = client.get("/static/0123456789abcdef/main.js")
    assert outdated.headers["cache-control"] == "no-cache"
    again = client.get(
        "/static/0123456789abcdef/main.js", headers={"If-None-Match": outdated.headers["etag"]}
    )
    assert again.status_code == 304


def test_every_module_and_sheet_is_named_by_the_page(client: TestClient) -> None:
    """A module that is not preloaded costs a round trip; one that nothing names is dead."""
    folder = Path(create_app.__code__.co_filename).parent / "web" / "static"
    html = client.get("/").text
    assert [path.name for path in folder.iterdir() if f"/{path.name}" not in html] == []


@pytest.mark.parametrize("path", ["/static/x/../../page.py", "/static/x/nothing.js", "/static/"])
def test_only_assets_are_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404
