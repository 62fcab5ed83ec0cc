"""What readers notice while versions come, go and break: nothing."""

import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import sleep

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.serving import opening
from indexer.versions.manifest import Manifest
from tests.app.shop import (
    assert_problem,
    damage,
    index,
    opened,
    paint,
    refresh,
    search,
    served,
)
from tests.tiny_encoder import TinyEncoder
from tests.waiting import until

URL = "/v1/collections/shop/search"


def version_after(settings: Settings, photos: Path, shade: int) -> str:
    """Publish a version that has one image more."""
    paint(photos / f"shade-{shade}.png", f"rgb(255,{shade},0)")
    version = index(settings, photos).version
    assert version is not None
    return version


def hold_still(client: TestClient) -> None:
    """Look for what is new only when a test says so, and have nobody wait for it."""
    serving = client.app_state["serving"]
    for thread in (serving._following, serving._opening, serving._announcing):
        thread.stop()
    serving._presence.forget()


def served_version(client: TestClient) -> str:
    return str(client.get(URL, params={"q": "red"}).json()["version"])


def test_versions_change_under_load_without_one_failed_or_mixed_answer(
    settings: Settings, photos: Path
) -> None:
    """Each answer holds all the images of its version, and at most the one that is on its way into
    the next.
    """
    totals = {str(index(settings, photos).version): 3}
    answers: list[tuple[int, str, int]] = []
    stop = threading.Event()
    quick = settings.model_copy(update={"refresh_seconds": 0.05})
    with served(quick) as client, ThreadPoolExecutor(3) as pool:

        def keep_searching() -> None:
            while not stop.is_set():
                response = client.post(URL, json={"text": "red", "k": 100})
                body = response.json()
                answers.append((response.status_code, body["version"], len(body["hits"])))

        searching = [pool.submit(keep_searching) for _ in range(3)]
        try:
            for shade in range(1, 6):
                newest = version_after(settings, photos, shade)
                totals[newest] = 3 + shade
                until(lambda wanted=newest: answers[-1][1] == wanted)
        finally:
            stop.set()
        for future in searching:
            future.result()
    assert {status for status, _, _ in answers} == {200}
    assert {version for _, version, _ in answers} == totals.keys()
    assert all(0 <= count - totals[version] <= 1 for _, version, count in answers)


def test_a_damaged_version_at_start_gives_way_to_the_one_before(
    settings: Settings, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = str(index(settings, photos).version)
    second = version_after(settings, photos, 1)
    damage(settings, second)
    with caplog.at_level(logging.ERROR), opened(settings) as client:
        assert served_version(client) == first
        assert search(client, text="초록", k=1) == ["green.png"]
        assert client.get("/readyz").status_code == 200
    refusals = [record.getMessage() for record in caplog.records]
    assert len(refusals) == 1
    assert f"refusing a version of shop: {second}" in refusals[0]
    assert "SHA-256" in refusals[0]


def test_where_every_version_is_damaged_the_reason_is_said(
    settings: Settings, photos: Path
) -> None:
    versions = [str(index(settings, photos).version), version_after(settings, photos, 1)]
    for version in versions:
        damage(settings, version)
    index(settings, photos, "other")
    with opened(settings) as client:
        for path in ("/readyz", f"{URL}?q=red", "/v1/collections/shop/images/red.png/similar"):
            detail = assert_problem(client.get(path), 503, "not_ready")
            assert f"{versions[-1]}: " in detail
            assert "SHA-256" in detail
        other = client.get("/v1/collections/other/search", params={"q": "초록"})
        assert other.json()["hits"][0]["id"] == "green.png", "the others are served"
        version_after(settings, photos, 2)
        refresh(client)
        assert client.get("/readyz").status_code == 200, "a new version mends it"


def test_a_damaged_version_published_meanwhile_changes_nothing(
    shop: TestClient, settings: Settings, photos: Path
) -> None:
    hold_still(shop)
    before = served_version(shop)
    damage(settings, version_after(settings, photos, 1))
    refresh(shop)
    assert served_version(shop) == before
    assert shop.get("/readyz").status_code == 200
    assert served_version(shop) == before
    mended = version_after(settings, photos, 2)
    refresh(shop)
    assert served_version(shop) == mended


def test_a_refused_version_is_tried_again_later(
    shop: TestClient, settings: Settings, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault may have been the disk's."""
    hold_still(shop)
    before = served_version(shop)
    version = version_after(settings, photos, 1)
    damage(settings, version)
    refresh(shop)
    damage(settings, version)  # the same bits, back as they were
    refresh(shop)
    assert served_version(shop) == before, "not hashed twice a second"
    monkeypatch.setattr(opening, "_RETRY_SECONDS", 0)
    refresh(shop)
    assert served_version(shop) == version


def test_vectors_of_another_encoder_are_never_searched(
    client: TestClient, settings: Settings, photos: Path
) -> None:
    other = TinyEncoder()
    other.spec = replace(other.spec, fingerprint="0" * 64)
    index(settings, photos, encoder=other)
    refresh(client)
    detail = assert_problem(client.get(URL, params={"q": "red"}), 503, "not_ready")
    assert "another edition of tiny: reindex" in detail


def test_a_collection_deleted_elsewhere_is_withdrawn(shop: TestClient, settings: Settings) -> None:
    with opened(settings) as other:
        assert other.delete("/v1/collections/shop").status_code == 204
    refresh(shop)
    assert_problem(shop.get(URL, params={"q": "red"}), 404, "unknown_collection")
    assert shop.app_state["serving"]._live._live == {}
    assert shop.get("/readyz").status_code == 200


def test_a_collection_made_elsewhere_is_found_at_once(
    client: TestClient, settings: Settings
) -> None:
    with opened(settings) as other:
        assert other.post("/v1/collections", json={"name": "shop"}).status_code == 201
    assert client.get(URL, params={"q": "빨강"}).json()["hits"] == []
    refresh(client)
    assert client.post(URL, json={"text": "red"}).json()["hits"] == []


def test_an_answer_under_way_survives_the_deletion_of_its_version(
    shop: TestClient, settings: Settings, photos: Path
) -> None:
    """`shop` still has the first version open, whose files five reindexes have removed."""
    hold_still(shop)
    before = served_version(shop)
    for shade in range(1, 6):
        version_after(settings, photos, shade)
    assert not list(settings.data_dir.glob(f"collections/*/versions/{before}"))
    assert search(shop, text="red", k=1) == ["red.png"]
    assert served_version(shop) == before


def test_two_who_refresh_at_once_open_a_version_once(
    shop: TestClient, settings: Settings, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens: list[Path] = []
    original = opening.open_files

    def counted(folder: Path, manifest: Manifest) -> object:
        opens.append(folder)
        sleep(0.05)
        return original(folder, manifest)

    monkeypatch.setattr(opening, "open_files", counted)
    version = version_after(settings, photos, 1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: refresh(shop), range(8)))
    assert [folder.name for folder in opens] == [version]


def test_versions_let_go_leave_no_memory_and_no_threads(
    shop: TestClient, settings: Settings, photos: Path
) -> None:
    search(shop, text="red")
    threads = threading.active_count()
    for shade in range(1, 6):
        version_after(settings, photos, shade)
        refresh(shop)
        search(shop, text="red")
    gc.collect()
    mapped = {
        line.split("versions/")[1].split("/")[0]
        for line in Path("/proc/self/maps").read_text().splitlines()
        if str(settings.data_dir) in line and "versions/" in line
    }
    assert mapped == {served_version(shop)}
    assert threading.active_count() <= threads + 1


def test_a_stopped_server_leaves_no_threads(settings: Settings, photos: Path) -> None:
    index(settings, photos)
    with opened(settings) as client:
        search(client, text="red")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("encode")]
