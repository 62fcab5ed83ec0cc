"""What is kept in memory of the catalog never outlives it, and helps when it is away."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from app.config import Settings
from app.search import rows
from app.search.known import KnownCollection
from app.search.rows import ImageRows, NotHeld
from indexer.backends import faiss_index
from indexer.catalog.db import Database
from indexer.catalog.repository import bump_change_number, collection
from indexer.catalog.tables import Image
from tests.app.shop import damage, index, paint, refresh, search, take_away_database

URL = "/v1/collections/shop/search"


def change(database: Database, how: Callable[[Session], object]) -> None:
    """Change images as whoever writes them does: with another change number."""
    with database.write() as session:
        how(session)
        bump_change_number(session, collection(session, "shop").id)


def known(client: TestClient) -> KnownCollection:
    found: KnownCollection = client.app_state["serving"].known.get("shop")
    return found


def first_hit(client: TestClient, **request: object) -> dict[str, object]:
    hit: dict[str, object] = client.post(URL, json={"k": 1, **request}).json()["hits"][0]
    return hit


def test_a_deleted_image_vanishes_with_the_next_look(shop: TestClient, database: Database) -> None:
    assert search(shop, text="빨강")[0] == "red.png"
    change(database, lambda session: session.execute(delete(Image).where(Image.key == "red.png")))
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
    priced = update(Image).where(Image.key == "red.png").values(attributes={"값": 900})
    change(database, lambda session: session.execute(priced))
    refresh(shop)
    assert first_hit(shop, **asked)["attributes"] == {"값": 900}
    assert first_hit(shop, text="빨강")["attributes"] is None, "as long as nobody asks"


def test_images_lost_with_a_version_that_is_refused_vanish_all_the_same(
    shop: TestClient, settings: Settings, photos: Path
) -> None:
    """Their rows go when the version is published, and this server stays on the one before."""
    assert len(search(shop, text="red")) == 3
    (photos / "green.png").unlink()
    version = index(settings, photos).version
    assert version is not None
    damage(settings, version)
    refresh(shop)
    assert shop.post(URL, json={"text": "red"}).json()["version"] != version
    assert sorted(search(shop, text="초록")) == ["blue.png", "red.png"]


def test_who_reads_late_brings_nothing_back(shop: TestClient, database: Database) -> None:
    """A search that began before a deletion may write what it read after everyone looked."""
    late = known(shop)
    search(shop, text="red")
    change(database, lambda session: session.execute(delete(Image).where(Image.key == "red.png")))
    refresh(shop)
    late.rows.read(list(late.rows._rows))
    assert "red.png" not in search(shop, text="red")


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
        assert len(known(client).rows._rows) == 5


def test_an_image_that_is_gone_is_not_asked_for_again(shop: TestClient, database: Database) -> None:
    held = ImageRows(database, known(shop).id, "shop", attributes=False)
    with pytest.raises(NotHeld):
        held.held([10**9])
    assert held.read([10**9]) == {}
    assert held.held([10**9]) == {}
