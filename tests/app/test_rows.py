"""What is kept in memory of the catalog never outlives it, and helps when it is away."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.config import Settings
from app.search import rows
from app.search.rows import ImageRows, NotHeld, Row
from app.serving import Snapshot
from indexer.backends import faiss_index
from indexer.catalog.db import Database
from indexer.catalog.repository import bump_change_number, bury, collection
from indexer.catalog.tables import Image
from tests.app.shop import damage, index, paint, refresh, search, take_away_database
from tests.app.test_serving import hold_still

URL = "/v1/collections/shop/search"


def change(database: Database, key: str, how: Callable[[Image], object]) -> None:
    """Change an image as whoever writes it does: with another change number."""
    with database.write() as session:
        number = bump_change_number(session, collection(session, "shop").id)
        image = session.scalars(select(Image).where(Image.key == key)).one()
        how(image)
        image.change_number = number


def delete(database: Database, *keys: str) -> None:
    with database.write() as session:
        number = bump_change_number(session, collection(session, "shop").id)
        images = session.scalars(select(Image.id).where(Image.key.in_(keys))).all()
        bury(session, images, number, is_final=True)


def served(client: TestClient) -> Snapshot:
    found: Snapshot = client.app_state["serving"].get("shop")
    return found


def first_hit(client: TestClient, **request: object) -> dict[str, object]:
    hit: dict[str, object] = client.post(URL, json={"k": 1, **request}).json()["hits"][0]
    return hit


def test_a_deleted_image_vanishes_with_the_next_look(shop: TestClient, database: Database) -> None:
    assert search(shop, text="빨강")[0] == "red.png"
    delete(database, "red.png")
    refresh(shop)
    for text in ("빨강", "red"):
        assert sorted(search(shop, text=text)) == ["blue.png", "green.png"]


def test_a_changed_picture_is_shown_as_it_is_now(
    shop: TestClient, settings: Settings, photos: Path
) -> None:
    assert first_hit(shop, text="red")["width"] == 40
    paint(photos / "red.png", "red", (90, 30))
    index(settings, photos)
    refresh(shop)
    assert first_hit(shop, text="red")["width"] == 90


def test_changed_attributes_are_shown_as_they_are_now(shop: TestClient, database: Database) -> None:
    asked = {"text": "빨강", "include": ["attributes"]}
    assert first_hit(shop, **asked)["attributes"] == {}
    change(database, "red.png", lambda image: setattr(image, "attributes", {"값": 900}))
    refresh(shop)
    assert first_hit(shop, **asked)["attributes"] == {"값": 900}
    assert first_hit(shop, text="빨강")["attributes"] is None, "as long as nobody asks"


def test_images_lost_with_a_version_that_is_refused_vanish_all_the_same(
    shop: TestClient, settings: Settings, photos: Path
) -> None:
    """They go when the version is published, and this server stays on the one before."""
    assert len(search(shop, text="red")) == 3
    hold_still(shop)
    (photos / "green.png").unlink()
    version = index(settings, photos).version
    assert version is not None
    damage(settings, version)
    refresh(shop)
    assert shop.post(URL, json={"text": "red"}).json()["version"] != version
    assert sorted(search(shop, text="초록")) == ["blue.png", "red.png"]


def test_who_reads_late_brings_nothing_back(
    shop: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a search that was slow: it read a row, and the image changes before it keeps the row."""
    rows = served(shop).rows_with_attributes
    rows.forget(None)
    original = rows._read

    def slow(ids: Sequence[int]) -> dict[int, Row]:
        found = original(ids)
        change(database, "red.png", lambda image: setattr(image, "attributes", {"값": 900}))
        refresh(shop)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(rows, "_read", slow)
        late = shop.post(URL, json={"text": "red", "k": 1, "include": ["attributes"]}).json()
        assert late["hits"][0]["attributes"] == {}
    assert first_hit(shop, text="red", include=["attributes"])["attributes"] == {"값": 900}


def test_what_did_not_change_is_not_read_again(
    shop: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an indexing run writes there is a change every second."""
    search(shop, text="red")
    asked: list[int] = []
    original = ImageRows._read
    monkeypatch.setattr(
        ImageRows, "_read", lambda rows, ids: asked.extend(ids) or original(rows, ids)
    )
    change(database, "red.png", lambda image: setattr(image, "width", 41))
    refresh(shop)
    hits = shop.post(URL, json={"text": "red"}).json()["hits"]
    assert [hit["width"] for hit in hits] == [41, 40, 40]
    assert len(asked) == 1


def test_what_was_shown_once_is_shown_while_the_catalog_is_away(
    shop: TestClient, database_url: str
) -> None:
    before = search(shop, text="빨강"), search(shop, text="blue")
    take_away_database(shop, database_url)
    assert (search(shop, text="빨강"), search(shop, text="blue")) == before


@pytest.mark.parametrize("numbers", [0, 4_000_000], ids=["in the pool", "at once"])
def test_large_and_small_collections_are_searched_alike(
    shop: TestClient, monkeypatch: pytest.MonkeyPatch, numbers: int
) -> None:
    monkeypatch.setattr(faiss_index, "_QUICK_NUMBERS", numbers)
    for _ in ("read", "held"):
        assert search(shop, text="초록", k=1) == ["green.png"]
        assert search(shop, image={"id": "red.png"}, k=1) != ["red.png"]


def test_memory_is_bounded_and_answers_are_not(
    client: TestClient, settings: Settings, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MAX_ROWS", 5)
    for shade in range(20):
        paint(photos / f"shade-{shade:02d}.png", f"rgb(255,{shade},0)")
    index(settings, photos)
    refresh(client)
    for _ in ("read", "read again"):
        assert len(search(client, text="red", k=100)) == 23
        assert len(served(client).rows._rows) == 5


def test_an_image_that_is_gone_is_not_asked_for_again(shop: TestClient, database: Database) -> None:
    held = ImageRows(database, served(shop).id, "shop", attributes=False)
    with pytest.raises(NotHeld):
        held.held([10**9])
    assert held.read([10**9]) == {}
    assert held.held([10**9]) == {}
