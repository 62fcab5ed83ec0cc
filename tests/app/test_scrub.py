"""What was verified by an earlier start is served at once, and hashed again behind that."""

import shutil
import threading
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.serving import opening, scrub
from app.serving.live_collections import LiveCollections
from app.serving.scrub import Scrubber
from indexer.errors import VersionDamaged
from indexer.versions.manifest import VECTORS, read_manifest
from tests.app.shop import (
    assert_problem,
    collection_folder,
    index,
    opened,
    paint,
    refresh,
    search,
)
from tests.databases import ON_SQLITE
from tests.indexer.versions import flip, hide_damage
from tests.waiting import until

URL = "/v1/collections/shop/search"
BIT = 999


@pytest.fixture
def versions(settings: Settings, photos: Path) -> list[Path]:
    """The folders of two, the second active."""
    first = index(settings, photos).version
    paint(photos / "white.png", "white")
    second = index(settings, photos).version
    return [collection_folder(settings).version(str(name)) for name in (first, second)]


def fail_silently(version: Path) -> None:
    """As a disk does that returns other bytes than it was given."""
    flip(version / VECTORS, BIT)
    hide_damage(version)


def served_version(client: TestClient) -> str | None:
    response = client.get(URL, params={"q": "red"})
    return str(response.json()["version"]) if response.status_code == 200 else None


def test_damage_that_no_time_shows_makes_room_for_the_version_before(
    settings: Settings, versions: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    fail_silently(versions[1])
    with opened(settings) as client:
        until(lambda: served_version(client) == versions[0].name)
        assert search(client, text="초록", k=1) == ["green.png"]
        assert client.get("/readyz").status_code == 200
        metrics = client.get("/metrics").text
    assert (
        f'noongil_active_version{{collection="shop",version="{versions[0].name}"}} 1.0' in metrics
    )
    assert versions[1].name not in metrics
    assert 'noongil_index_vectors{collection="shop"} 3.0' in metrics
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == 1
    assert f"withdrawing a version of shop: {versions[1].name}: {VECTORS}" in said[0]


@ON_SQLITE
def test_damage_that_is_found_before_anything_is_served_is_not_served(
    settings: Settings, versions: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install = LiveCollections.install

    def slowly(*args: Any) -> None:
        sleep(0.5)
        install(*args)

    monkeypatch.setattr(LiveCollections, "install", slowly)
    fail_silently(versions[1])
    with opened(settings) as client:
        until(lambda: served_version(client) == versions[0].name)


def test_where_no_other_version_is_left_the_reason_is_said(
    settings: Settings, versions: list[Path], photos: Path
) -> None:
    for version in versions:
        fail_silently(version)
    with opened(settings) as client:
        until(lambda: client.get("/readyz").status_code == 503)
        detail = assert_problem(client.get(URL, params={"q": "red"}), 503, "not_ready")
        assert f"{versions[1].name}: {VECTORS} does not match" in detail
        assert "noongil_active_version{" not in client.get("/metrics").text
        paint(photos / "black.png", "black")
        index(settings, photos)
        refresh(client)
        assert client.get("/readyz").status_code == 200, "a new version mends it"


def test_a_version_that_is_whole_again_gives_none_of_the_answers_it_gave(
    settings: Settings, versions: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(settings) as client:
        right = client.post(URL, json={"text": "red"}).json()["hits"]
    fail_silently(versions[1])
    with monkeypatch.context() as patched:
        patched.setattr(scrub, "_REST", 200)  # answers are given before the damage is found
        with opened(settings) as client:
            client.post(URL, json={"text": "red"})
            until(lambda: served_version(client) == versions[0].name)
            flip(versions[1] / VECTORS, BIT)
            patched.setattr(opening, "_RETRY_SECONDS", 0)
            refresh(client)
            assert served_version(client) == versions[1].name
            assert client.post(URL, json={"text": "red"}).json()["hits"] == right


def test_what_is_whole_is_served_on(settings: Settings, versions: list[Path]) -> None:
    with opened(settings) as client:
        wait_for(client.app_state["serving"]._scrubber)
        assert served_version(client) == versions[1].name


def test_what_was_hashed_to_be_opened_is_not_hashed_again(
    settings: Settings, versions: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[Path] = []
    monkeypatch.setattr(Scrubber, "add", lambda _, __, folder, ___: added.append(folder))
    shutil.rmtree(collection_folder(settings).verified)
    with opened(settings):
        assert added == []
    with opened(settings):
        assert added == [versions[1]]


def test_a_server_stops_in_the_middle_of_a_file(
    settings: Settings, versions: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred gigabytes take minutes."""
    monkeypatch.setattr(scrub, "_REST", 1e9)
    with opened(settings) as client:
        assert served_version(client) == versions[1].name
        until(lambda: bool(threads_at_work()))
        began = monotonic()
    assert monotonic() - began < 5
    assert threads_at_work() == []


def threads_at_work() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("scrub")]


def test_a_version_that_was_removed_meanwhile_is_not_called_damaged(versions: list[Path]) -> None:
    """It is old, and whoever has it open goes on reading it."""
    damaged: list[tuple[int, VersionDamaged]] = []
    scrubber = Scrubber(lambda version, why: damaged.append((version, why)))
    manifest = read_manifest(versions[0])
    shutil.rmtree(versions[0])
    scrubber.add(1, versions[0], manifest)
    wait_for(scrubber)
    (versions[1] / VECTORS).unlink()
    scrubber.add(2, versions[1], manifest)
    wait_for(scrubber)
    scrubber.close()
    assert [version for version, _ in damaged] == [2], "files alone do not go"


def wait_for(scrubber: Scrubber) -> None:
    scrubber._thread.submit(lambda: None).result(timeout=20)
