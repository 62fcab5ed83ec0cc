"""Writes to images that a folder gave, and runs over that folder afterwards."""

from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import select

from app.config import Settings
from indexer.catalog.tables import Embedding
from indexer.catalog.tables import Image as ImageRow
from tests.app.shop import (
    assert_problem,
    collection_folder,
    image_url,
    index,
    refresh,
    search,
)
from tests.app.uploads import png, put_file, record, thumbnail_of

RED, BLUE = png("red"), png("blue")


def test_an_image_of_a_folder_can_be_taken_over(
    client: TestClient, settings: Settings, photos: Path
) -> None:
    index(settings, photos)
    refresh(client)
    blue = record(client, "red.png")["uri"]
    answer = put_file(client, "red.png", BLUE, '{"n": 1}')
    assert (answer.status_code, answer.json()["status"]) == (200, "replaced")
    assert (answer.json()["uri"], blue.startswith("api:")) == ("api:red.png", False)
    (photos / "red.png").unlink()
    assert thumbnail_of(client, "red.png") == thumbnail_of(client, "blue.png")
    assert search(client, text="red", k=1) != ["red.png"]
    index(settings, photos)
    refresh(client)
    assert record(client, "red.png")["uri"] == "api:red.png", "only its old source lost it"
    assert set(search(client, text="blue", k=2)) == {"red.png", "blue.png"}


def test_what_was_deleted_never_comes_back_from_its_folder(
    client: TestClient, settings: Settings, photos: Path
) -> None:
    index(settings, photos)
    refresh(client)
    assert client.delete(image_url("red.png")).status_code == 204
    assert "red.png" not in search(client, text="red")
    for _ in range(2):
        index(settings, photos)
        refresh(client)
        assert "red.png" not in search(client, text="red")
        assert_problem(client.get(image_url("red.png")), 404, "not_found")
    assert client.delete(image_url("red.png")).status_code == 204
    assert put_file(client, "red.png", RED).status_code == 201
    assert search(client, text="red")[0] == "red.png"


def test_a_patch_outlives_a_run_over_the_folder(
    client: TestClient, settings: Settings, photos: Path
) -> None:
    index(settings, photos)
    assert client.patch(image_url("red.png"), json={"attributes": {"n": 1}}).status_code == 200
    index(settings, photos)
    assert record(client, "red.png")["attributes"] == {"n": 1}


def test_every_picture_of_the_api_has_a_row_and_every_row_an_embedding(
    shop: TestClient, settings: Settings
) -> None:
    for number in range(5):
        put_file(shop, str(number % 3), png((0, number * 40, 0)))
    shop.delete(image_url("0"))
    with shop.app_state["database"].read() as session:
        images = session.scalars(select(ImageRow.content_hash)).all()
        embedded = session.scalars(select(Embedding.content_hash)).all()
    stored = {path.name for path in collection_folder(settings).pictures.glob("*/*")}
    assert set(images) <= set(embedded)
    assert set(images) <= stored
