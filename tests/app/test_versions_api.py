"""The history of a collection, and going back in it."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from indexer import lease
from indexer.catalog import repository
from indexer.catalog.db import Database
from tests.app.command_line import runner
from tests.app.jobs.workers import do, shown
from tests.app.shop import assert_problem, index, paint, refresh, search
from tests.databases import ON_SQLITE
from tests.tiny_encoder import TinyEncoder

VERSIONS = "/v1/admin/collections/shop/versions"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No server opens a version unless a test says so: nobody is waited for."""
    return settings.model_copy(update={"switch_wait_seconds": 0})


@pytest.fixture
def two_versions(shop: TestClient, settings: Settings, photos: Path) -> list[str]:
    """Newest first: of two editions of the encoder."""
    index(settings, photos, encoder=TinyEncoder("2"))
    refresh(shop)
    return [version["name"] for version in shop.get(VERSIONS).json()]


def test_the_history_says_what_each_version_is(shop: TestClient, two_versions: list[str]) -> None:
    newer, older = shop.get(VERSIONS).json()
    assert [newer["name"], older["name"]] == two_versions
    assert (newer["model"], older["model"]) == ("tiny:2", "tiny")
    assert (newer["active"], older["active"]) == (True, False)
    assert newer["images"] == older["images"] == 3
    assert newer["size_bytes"] > 0
    assert newer["change_number"] >= older["change_number"] > 0
    assert newer["index"] == "Flat"
    assert_problem(shop.get(VERSIONS.replace("shop", "none")), 404, "unknown_collection")


def test_a_version_that_lacks_nothing_serves_at_once(
    shop: TestClient, two_versions: list[str]
) -> None:
    _, older = two_versions
    answer = shop.post(f"{VERSIONS}/{older}/activate")
    assert (answer.status_code, answer.json()["active"]) == (200, True)
    view = shop.get("/v1/collections/shop").json()
    assert (view["active_version"], view["model"]) == (older, "tiny")
    assert search(shop, text="빨강", k=1) == ["red.png"]


def test_what_was_written_since_is_embedded_by_a_job_first(
    shop: TestClient, settings: Settings, photos: Path, two_versions: list[str]
) -> None:
    _, older = two_versions
    paint(photos / "gold.png", "gold")
    index(settings, photos, encoder=TinyEncoder("2"))
    answer = shop.post(f"{VERSIONS}/{older}/activate")
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["job_id"]
    assert answer.headers["location"] == f"/v1/admin/jobs/{job_id}"
    assert shop.get("/v1/collections/shop").json()["model"] == "tiny:2"
    do(settings, job_id)
    job = shown(shop, job_id)
    assert (job["kind"], job["state"]) == ("activate", "succeeded"), job["error"]
    refresh(shop)
    view = shop.get("/v1/collections/shop").json()
    assert (view["active_version"], view["model"]) == (older, "tiny")
    assert search(shop, text="gold", k=1) == ["gold.png"]


def test_what_cannot_be_activated_is_named(
    shop: TestClient, database: Database, two_versions: list[str]
) -> None:
    assert_problem(shop.post(f"{VERSIONS}/none/activate"), 404, "unknown_version")
    with database.read() as session:
        collection_id = repository.collection(session, "shop").id
    with lease.hold(database, collection_id):
        answer = shop.post(f"{VERSIONS}/{two_versions[1]}/activate")
    assert_problem(answer, 409, "collection_busy")


@ON_SQLITE
def test_the_command_line_goes_back_too(
    settings: Settings,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    first = index(settings, photos).version
    index(settings, photos, encoder=TinyEncoder("2"))
    paint(photos / "gold.png", "gold")
    index(settings, photos, encoder=TinyEncoder("2"))
    monkeypatch.setenv("NOONGIL_SWITCH_WAIT_SECONDS", "0")
    noongil = runner(settings, monkeypatch, capfd)
    assert noongil("versions", "activate", "shop", str(first)).code == 0
    listed = noongil("versions", "list", "shop", "--json").json()
    assert isinstance(listed, list)
    assert [version["name"] for version in listed if version["active"]] == [first]
