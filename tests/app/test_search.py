"""Search over HTTP: what is found, in which order, in which shape."""

import unicodedata
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.config import Settings
from indexer.catalog.db import Database
from indexer.catalog.repository import bump_change_number, bury, collection
from indexer.catalog.tables import Image
from tests.app.shop import assert_problem, image_url, index, paint, refresh, search, served
from tests.databases import ON_SQLITE

URL = "/v1/collections/shop/search"


@ON_SQLITE
@pytest.mark.parametrize(
    ("text", "first"),
    [("빨강", "red.png"), ("초록", "green.png"), ("파랑", "blue.png"), ("red", "red.png")],
)
def test_both_languages_find_by_both_methods(shop: TestClient, text: str, first: str) -> None:
    assert search(shop, text=text)[0] == first
    simple = shop.get(URL, params={"q": text, "k": 1})
    assert [hit["id"] for hit in simple.json()["hits"]] == [first]


def test_an_answer_has_the_published_shape(shop: TestClient) -> None:
    body = shop.post(URL, json={"text": "  빨강 ", "k": 2}).json()
    assert body["query"] == {
        "text": "  빨강 ",
        "normalized": "빨강",
        "language": "ko",
        "repaired_from": None,
    }
    assert body["version"] == shop.get("/v1/collections/shop").json()["active_version"]
    assert body["timings_ms"].keys() == {"encode", "search", "total"}
    assert all(milliseconds >= 0 for milliseconds in body["timings_ms"].values())
    first, second = body["hits"]
    assert {"id", "score", "relevance", "uri", "thumbnail", "attributes"} <= first.keys()
    assert (first["id"], first["score"]) == ("red.png", pytest.approx(1, abs=1e-3))
    assert 1 >= first["relevance"] >= second["relevance"] >= 0
    assert first["uri"].startswith("file:///")
    assert first["uri"].endswith("/photos/red.png")
    assert first["thumbnail"] == "/v1/collections/shop/images/red.png/thumbnail"
    assert (first["width"], first["height"]) == (40, 30)


def test_attributes_come_when_they_are_asked_for(shop: TestClient) -> None:
    def attributes(**more: object) -> object:
        hits = shop.post(URL, json={"text": "red", "k": 1, **more}).json()["hits"]
        return hits[0]["attributes"]

    assert attributes() is None
    assert attributes(include=["attributes"]) == {}
    simple = shop.get(URL, params={"q": "red", "include": "attributes"}).json()
    assert simple["hits"][0]["attributes"] == {}


def test_k_is_how_many_up_to_what_there_is(shop: TestClient) -> None:
    assert len(search(shop, text="red", k=1)) == 1
    assert len(search(shop, text="red", k=1000)) == 3


@ON_SQLITE
@pytest.mark.parametrize("k", [0, -1, 1001, 10**30, "many", 1.5, None])
def test_k_out_of_bounds_is_refused(shop: TestClient, k: object) -> None:
    posted = shop.post(URL, json={"text": "red", "k": k})
    assert "k" in assert_problem(posted, 422, "invalid_request")
    if k is not None:
        simple = shop.get(URL, params={"q": "red", "k": str(k)})
        assert "query.k" in assert_problem(simple, 422, "invalid_request")


def test_an_image_finds_its_like(shop: TestClient, settings: Settings, photos: Path) -> None:
    paint(photos / "crimson.png", "crimson")
    index(settings, photos)
    refresh(shop)
    assert search(shop, image={"id": "red.png"})[0] == "crimson.png"
    similar = shop.get(image_url("red.png", "/similar"), params={"k": 2}).json()
    found = [hit["id"] for hit in similar["hits"]]
    assert found[0] == "crimson.png"
    assert len(found) == 2
    assert "red.png" not in found, "an image is no answer to its own question"
    assert similar["query"]["text"] is None


@pytest.mark.parametrize("key", ["none.png", "", "../red.png", "빨강.png", "x" * 5000])
def test_an_image_that_is_not_there_has_no_like(shop: TestClient, key: str) -> None:
    posted = shop.post(URL, json={"image": {"id": key}})
    assert "no image of that id" in assert_problem(posted, 404, "not_found")


def test_min_relevance_leaves_the_irrelevant_out(shop: TestClient) -> None:
    everything = shop.post(URL, json={"text": "red"}).json()["hits"]
    for bound in (0.0, everything[1]["relevance"], everything[0]["relevance"], 1.0):
        wanted = [hit["id"] for hit in everything if hit["relevance"] >= bound]
        assert search(shop, text="red", min_relevance=bound) == wanted


@ON_SQLITE
@pytest.mark.parametrize("recall", [0.01, 0.5, 1.0])
def test_recall_can_be_asked_for(shop: TestClient, recall: float) -> None:
    assert search(shop, text="초록", recall=recall)[0] == "green.png"
    assert_problem(shop.post(URL, json={"text": "a", "recall": 0}), 422, "invalid_request")
    assert_problem(shop.get(URL, params={"q": "a", "recall": 2}), 422, "invalid_request")


KEYS = ["sub/깊은 폴더/빨강 100%.png", "a#b?c=d&e+f.png", "%2e%2e.png", 'q"<i>.png', "-;=.png"]


def test_ids_of_every_kind_are_addresses_too(settings: Settings, photos: Path) -> None:
    for key in KEYS:
        paint(photos / key, "red")
    index(settings, photos)
    with served(settings) as client:
        hits = client.post(URL, json={"text": "빨강"}).json()["hits"]
        thumbnails = {hit["id"]: hit["thumbnail"] for hit in hits}
        for key in KEYS:
            assert client.get(thumbnails[key]).headers["content-type"] == "image/webp"
            assert client.get(image_url(key)).json()["id"] == key
            similar = client.get(image_url(key, "/similar")).json()["hits"]
            assert key not in [hit["id"] for hit in similar]
            assert len(search(client, image={"id": key})) == len(KEYS) + 2


@pytest.mark.parametrize("word", ["thumbnail", "similar"])
def test_ids_that_end_like_our_own_addresses_still_work(
    client: TestClient, settings: Settings, photos: Path, word: str
) -> None:
    (photos / "album").mkdir()
    (photos / "red.png").rename(photos / "album" / word)
    index(settings, photos)
    refresh(client)
    key = f"album/{word}"
    assert search(client, text="red", k=1) == [key]
    assert client.get(image_url(key, "/thumbnail")).headers["content-type"] == "image/webp"
    assert len(client.get(image_url(key, "/similar")).json()["hits"]) == 2


@ON_SQLITE
@pytest.mark.parametrize(
    "typed",
    [
        unicodedata.normalize("NFD", "빨강"),
        "빨\u200b강",
        "\ufeff빨강\u2060",
        "\t빨강\r\n",
        "\u0000빨강\u001b",
        "\u202e빨강",
    ],
)
def test_spellings_that_look_alike_find_alike(shop: TestClient, typed: str) -> None:
    response = shop.post(URL, json={"text": typed}).json()
    assert response["query"]["normalized"] == "빨강"
    assert response["hits"] == shop.post(URL, json={"text": "빨강"}).json()["hits"]
    assert shop.get(URL, params={"q": typed}).json()["hits"] == response["hits"]


@ON_SQLITE
@pytest.mark.parametrize("text", ["", " ", "\u200b", "\u3000", "가" * 1001, "x" * 100_000])
def test_blank_and_endless_queries_are_refused(shop: TestClient, text: str) -> None:
    for response in (shop.post(URL, json={"text": text}), shop.get(URL, params={"q": text[:5000]})):
        assert response.status_code == 422
        assert response.headers["content-type"] == "application/problem+json"
        assert len(response.content) < 1000


BAD_BODIES = [
    (b'{"text": "\\ud800"}', "text"),
    (b'{"text": "a\\udfffb"}', "text"),
    (b'{"image": {"id": "\\ud83d"}}', "image.id"),
    (b'{"image": {"id": "a\\u0000b"}}', "image.id"),
    (b'{"text": "red", "\\ud800": 1}', "body"),
    (b'{"text": "red", "k": NaN}', "k"),
    (b'{"text": "red", "min_relevance": NaN}', "min_relevance"),
    (b'{"text": "red", "min_relevance": -Infinity}', "min_relevance"),
    (b'{"text": "red", "recall": Infinity}', "recall"),
    (b'{"text": "red", "colour": "red"}', "colour"),
    (b'{"image": {"id": "red.png", "url": "x"}}', "exactly one"),
    (b'{"image": {"id": "red.png", "colour": "x"}}', "image.colour"),
    (b'{"text": "red", "include": ["everything"]}', "include.0"),
    (b'{"text": ["red"]}', "text"),
    (b"{}", "at least one"),
    (b"null", "body"),
    (b"[]", "body"),
    (b"", "body"),
    (b"{", "body"),
]


@ON_SQLITE
@pytest.mark.parametrize(("body", "named"), BAD_BODIES)
def test_a_bad_request_names_its_field_and_echoes_nothing(
    shop: TestClient, body: bytes, named: str
) -> None:
    response = shop.post(URL, content=body, headers={"Content-Type": "application/json"})
    assert named in assert_problem(response, 422, "invalid_request")
    assert response.json()["errors"][0].keys() == {"field", "message"}


def test_a_thousand_unknown_fields_get_a_short_answer(shop: TestClient) -> None:
    body = {f"{number}{'x' * 1000}": 1 for number in range(1000)}
    response = shop.post(URL, json=body)
    assert_problem(response, 422, "invalid_request")
    assert len(response.content) < 20_000


def test_collections_that_are_not_there(shop: TestClient) -> None:
    for name in ("other", "SHOP", "숍", "x" * 300):
        missing = shop.get(f"/v1/collections/{name}/search", params={"q": "red"})
        assert_problem(missing, 404, "unknown_collection")
    nul = shop.get("/v1/collections/sh%00op/search", params={"q": "red"})
    assert "collection" in assert_problem(nul, 422, "invalid_request")


def test_a_collection_that_was_never_indexed_answers_with_nothing(client: TestClient) -> None:
    assert client.post("/v1/collections", json={"name": "shop"}).status_code == 201
    response = client.post(URL, json={"text": "red"}).json()
    assert (response["hits"], response["version"]) == ([], None)
    assert response["query"]["normalized"] == "red"


def test_deleted_images_are_never_shown_and_leave_no_gap(
    client: TestClient, settings: Settings, photos: Path, database: Database
) -> None:
    for shade in range(40):
        paint(photos / f"shade-{shade:02d}.png", f"rgb(255,{shade},0)")
    index(settings, photos)
    refresh(client)
    before = search(client, text="red", k=30)
    with database.write() as session:
        number = bump_change_number(session, collection(session, "shop").id)
        images = session.scalars(select(Image.id).where(Image.key.in_(before[:25]))).all()
        bury(session, images, number, is_final=True)
    refresh(client)
    after = search(client, text="red", k=10)
    assert len(after) == 10
    assert not set(after) & set(before[:25])
    assert after[:5] == before[25:], "the order of the others is the same"
    assert_problem(client.get(image_url(before[0], "/similar")), 404, "not_found")
