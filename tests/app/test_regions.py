"""Objects in pictures: found where they are, by collections that are searched by regions."""

import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from app.config import Settings
from app.jobs import service
from app.jobs.queue import JobQueue
from app.jobs.schemas import JobKind
from indexer.catalog.db import Database
from models.registry import load_encoder
from tests.app.jobs.workers import do
from tests.app.live import URL, served_version
from tests.app.shop import index, refresh
from tests.app.uploads import in_base64, put_json
from tests.waiting import until

CORNER = {"x": 0.6, "y": 0.0, "width": 0.4, "height": 0.4}
MIDDLE = {"x": 0.3, "y": 0.3, "width": 0.4, "height": 0.4}


def street(colour: str, region: dict[str, float]) -> Image.Image:
    """Grey, but for one region."""
    picture = Image.new("RGB", (100, 50), "grey")
    left, top = round(100 * region["x"]), round(50 * region["y"])
    picture.paste(colour, (left, top, left + 40, top + 20))
    return picture


def data_of(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def put(client: TestClient, key: str, picture: Image.Image, **attributes: object) -> None:
    body = {"base64": in_base64(data_of(picture)), "attributes": attributes}
    assert put_json(client, key, **body).status_code in {200, 201}


def hits(client: TestClient, **request: object) -> list[dict[str, Any]]:
    response = client.post(URL, json=request)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["hits"]
    return found


def boxes(client: TestClient, **request: object) -> dict[str, dict[str, float] | None]:
    """Of the hits, best first."""
    found = hits(client, include=["regions"], **request)
    return {
        hit["id"]: hit["region"] and {key: round(hit["region"][key], 6) for key in CORNER}
        for hit in found
    }


@pytest.fixture
def streets(tmp_path: Path) -> Path:
    folder = tmp_path / "streets"
    folder.mkdir()
    street("red", CORNER).save(folder / "red.png")
    street("blue", MIDDLE).save(folder / "blue.png")
    Image.new("RGB", (40, 40), "green").save(folder / "green.png")
    return folder


@pytest.fixture
def market(client: TestClient, settings: Settings, streets: Path) -> TestClient:
    """A collection with an index by regions."""
    index(settings, streets, encoder=load_encoder("tiny+grid"))
    refresh(client)
    return client


def test_an_object_is_framed_where_it_lies(market: TestClient) -> None:
    for colour, box in (("red", CORNER), ("blue", MIDDLE), ("green", None)):
        best = hits(market, text=colour)[0]
        assert best["id"] == f"{colour}.png"
        assert best["score"] > 0.999
        assert boxes(market, text=colour, k=1) == {f"{colour}.png": box}


def test_what_is_put_is_framed_before_and_beside_an_index(
    client: TestClient, settings: Settings, streets: Path
) -> None:
    created = client.post("/v1/collections", json={"name": "shop", "regions": "grid"})
    assert created.status_code == 201
    put(client, "a", street("red", MIDDLE))
    put(client, "b", street("blue", CORNER))
    assert boxes(client, text="red", k=1) == {"a": MIDDLE}
    index(settings, streets, encoder=load_encoder("tiny+grid"))
    until(lambda: client.get("/v1/collections/shop").json()["active_version"])
    refresh(client)
    put(client, "b", street("red", CORNER))
    put(client, "c", Image.new("RGB", (9, 9), "red"))
    assert boxes(client, text="red", k=4) == {
        "a": MIDDLE,
        "b": CORNER,
        "red.png": CORNER,
        "c": None,
    }
    client.delete("/v1/collections/shop/images/a")
    assert "a" not in boxes(client, text="red")


def test_a_picture_and_a_part_of_the_query_are_looked_for_in_regions(market: TestClient) -> None:
    """The query's own picture is taken whole."""
    file = in_base64(data_of(Image.new("RGB", (9, 9), "red")))
    assert boxes(market, image={"base64": file}, k=1) == {"red.png": CORNER}
    assert boxes(market, text="red", queries=[{"text": "green", "weight": -0.1}], k=1) == {
        "red.png": CORNER
    }


def test_similar_pictures_are_like_the_whole(market: TestClient) -> None:
    put(market, "tile", Image.new("RGB", (9, 9), "red"))
    similar = market.get("/v1/collections/shop/images/tile/similar").json()["hits"]
    assert similar[0]["id"] == "red.png"
    assert round(similar[0]["region"]["x"], 6) == CORNER["x"]
    assert "tile" not in {hit["id"] for hit in similar}


def test_filters_and_pages_go_by_images(market: TestClient) -> None:
    for number in range(12):
        put(market, f"n{number:02d}", street("red", CORNER if number % 2 else MIDDLE), n=number)
    few = boxes(market, text="red", filter={"n": {"lt": 3}})
    assert few == {"n00": MIDDLE, "n01": CORNER, "n02": MIDDLE}
    seen: list[str] = []
    cursor = None
    while True:
        page = market.post(URL, json={"text": "red", "k": 4, "cursor": cursor}).json()
        seen += [hit["id"] for hit in page["hits"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len({*seen}) == 15


def test_chosen_hits_have_their_boxes_too(market: TestClient) -> None:
    put(market, "again", street("red", CORNER), n=1)
    assert boxes(market, text="red", collapse_duplicates=True, k=1) in (
        {"again": CORNER},
        {"red.png": CORNER},
    )


def test_embeddings_are_of_the_whole_picture(market: TestClient) -> None:
    whole = hits(market, text="red", k=1, include=["embedding"])[0]["embedding"]
    assert len(whole) == len(in_base64(bytes(4 * 192)))


def test_a_collection_says_by_what_it_is_searched(market: TestClient) -> None:
    shown = market.get("/v1/collections/shop").json()
    assert (shown["model"], shown["regions"], shown["dim"]) == ("tiny", "grid", 192)
    (version,) = market.get("/v1/admin/collections/shop/versions").json()
    assert (version["model"], version["regions"]) == ("tiny", "grid")


def test_regions_come_and_go_under_load_and_no_answer_mixes_two(
    client: TestClient, settings: Settings, streets: Path
) -> None:
    """A query that met the vectors of the other version would miss the box, or invent one."""
    whole, by_regions = load_encoder("tiny"), load_encoder("tiny+grid")
    live = settings.model_copy(update={"refresh_seconds": 0.05, "keep_versions": 9})
    framed: dict[str, bool] = {str(index(live, streets, encoder=whole).version): False}
    refresh(client)
    answers: list[tuple[str, str, bool, float]] = []
    stop = threading.Event()

    def keep_searching() -> None:
        while not stop.is_set():
            body = client.post(URL, json={"text": "red", "k": 3}).json()
            best = body["hits"][0]
            answers.append((body["version"], best["id"], best["region"] is not None, best["score"]))

    with ThreadPoolExecutor(2) as pool:
        searching = [pool.submit(keep_searching) for _ in range(2)]
        try:
            for encoder in (by_regions, whole, by_regions):
                version = str(index(live, streets, encoder=encoder).version)
                framed[version] = encoder is by_regions
                refresh(client)
                until(lambda version=version: answers[-1][0] == version)
        finally:
            stop.set()
        for future in searching:
            future.result()
    assert {version for version, *_ in answers} == {*framed}
    for version, best, has_box, cosine in answers:
        assert has_box == framed[version]
        assert (best == "red.png" and cosine > 0.999) or not has_box


def test_a_job_changes_regions_and_a_rollback_takes_along_what_was_put(
    client: TestClient, settings: Settings, database: Database, streets: Path
) -> None:
    quick = settings.model_copy(update={"switch_wait_seconds": 0, "batch_size": 8})
    index(settings, streets)
    refresh(client)
    first = served_version(client)
    assert boxes(client, text="red") == dict.fromkeys(boxes(client, text="red"))
    asked = client.post("/v1/admin/collections/shop/reindex", json={"regions": "grid"})
    assert asked.status_code == 202, asked.text
    do(quick, asked.json()["job_id"])
    refresh(client)
    assert boxes(client, text="red", k=1) == {"red.png": CORNER}
    put(client, "late", street("blue", CORNER))
    queue = JobQueue(quick)
    back = service.submit(database, queue, "shop", JobKind.ACTIVATE, {"version": first})
    do(quick, back)
    queue.close()
    refresh(client)
    assert served_version(client) == first
    assert boxes(client, text="blue", k=9).keys() >= {"late", "blue.png"}
    assert set(boxes(client, text="blue", k=9).values()) == {None}
    assert client.get("/v1/collections/shop").json()["regions"] == "none"


def test_unknown_regions_are_refused(client: TestClient) -> None:
    response = client.post("/v1/collections", json={"name": "shop", "regions": "faces"})
    assert response.status_code == 422
    assert "regions" in response.text
