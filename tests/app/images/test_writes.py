"""Putting, patching and deleting images: what was acknowledged is there, and is found."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

from tests.app.shop import (
    assert_problem,
    image_url,
    search,
)
from tests.app.uploads import in_base64, png, put_file, put_json, record, thumbnail_of
from tests.databases import ON_SQLITE
from tests.tiny_encoder import TinyEncoder

RED, BLUE = png("red"), png("blue")


def test_what_was_put_is_there_and_found_at_once(shop: TestClient) -> None:
    answer = put_file(shop, "신발/1", RED, '{"상품명": "빨간 운동화", "price": 39000}')
    assert answer.status_code == 201
    assert answer.json() == record(shop, "신발/1") | {"status": "created"}
    assert (
        answer.json()
        | {
            "id": "신발/1",
            "format": "PNG",
            "width": 40,
            "height": 30,
            "file_size": len(RED),
            "attributes": {"상품명": "빨간 운동화", "price": 39000},
        }
        == answer.json()
    )
    put_json(shop, "blue", base64=in_base64(BLUE))
    assert search(shop, text="빨강") == ["신발/1", "blue"]
    assert search(shop, text="파랑") == ["blue", "신발/1"]
    assert thumbnail_of(shop, "신발/1") != thumbnail_of(shop, "blue")


def test_an_id_is_found_however_its_letters_are_composed(shop: TestClient) -> None:
    put_file(shop, unicodedata.normalize("NFD", "신발"), RED)
    put_file(shop, "other", BLUE)
    for form in ("NFC", "NFD"):
        key = unicodedata.normalize(form, "신발")
        similar = shop.get(image_url(key, "/similar"))
        assert [hit["id"] for hit in similar.json()["hits"]] == ["other"]
        assert search(shop, image={"id": key}) == ["other"]


def test_asking_again_changes_nothing(shop: TestClient) -> None:
    put_file(shop, "a", RED, '{"n": 1}')
    before = record(shop, "a")
    number = shop.get("/v1/collections/shop").json()["change_number"]
    for again in (
        put_file(shop, "a", RED, '{"n": 1}'),
        put_file(shop, "a", RED),
        put_json(shop, "a", base64=in_base64(RED), attributes={"n": 1}),
    ):
        assert again.status_code == 200
        assert again.json() == before | {"status": "unchanged"}
    assert record(shop, "a") == before
    assert shop.get("/v1/collections/shop").json()["change_number"] == number


def test_another_picture_takes_the_place_of_the_first(shop: TestClient) -> None:
    put_file(shop, "a", RED, '{"n": 1}')
    put_file(shop, "b", png("green"))
    answer = put_file(shop, "a", BLUE)
    assert (answer.status_code, answer.json()["status"]) == (200, "replaced")
    assert answer.json()["attributes"] == {"n": 1}, "they stay where none are sent"
    assert search(shop, text="blue")[0] == "a"
    assert put_file(shop, "a", BLUE, "{}").json()["attributes"] == {}


def test_attributes_change_without_encoding(
    shop: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file(shop, "a", RED, '{"keep": "k", "drop": 1}')
    monkeypatch.setattr(TinyEncoder, "encode_pixels", None)
    answer = shop.patch(image_url("a"), json={"attributes": {"drop": None, "새": ["x", "y"]}})
    assert answer.status_code == 200
    assert answer.json()["status"] == "patched"
    assert record(shop, "a")["attributes"] == {"keep": "k", "새": ["x", "y"]}
    hits = shop.post(
        "/v1/collections/shop/search", json={"text": "red", "include": ["attributes"]}
    ).json()["hits"]
    assert hits[0]["attributes"] == {"keep": "k", "새": ["x", "y"]}


def test_a_value_of_another_kind_than_its_field_has_is_refused(shop: TestClient) -> None:
    """It could be neither filtered nor sorted, and nobody would notice."""
    put_file(shop, "a", RED, '{"price": 39000, "색": ["빨강"]}')
    assert search(shop, text="빨강") == ["a"]
    assert_problem(put_file(shop, "b", BLUE, '{"price": "39,000원"}'), 422, "invalid_request")
    refused = shop.patch(image_url("a"), json={"attributes": {"색": "빨강"}})
    assert_problem(refused, 422, "invalid_request")
    assert "'색' is a text here and a list in the collection" in refused.json()["detail"]
    assert record(shop, "a")["attributes"] == {"price": 39000, "색": ["빨강"]}
    assert shop.get(image_url("b")).status_code == 404
    put_file(shop, "b", BLUE, '{"price": 39000.5, "색": []}').raise_for_status()


def test_what_was_deleted_is_gone_at_once_and_may_be_deleted_again(shop: TestClient) -> None:
    put_file(shop, "a", RED)
    for _ in range(2):
        answer = shop.delete(image_url("a"))
        assert (answer.status_code, answer.content) == (204, b"")
    assert search(shop, text="red") == []
    for rest in ("", "/thumbnail"):
        assert_problem(shop.get(image_url("a", rest)), 404, "not_found")
    assert_problem(shop.delete(image_url("never")), 404, "not_found")
    assert_problem(shop.patch(image_url("a"), json={"attributes": {}}), 404, "not_found")
    assert put_file(shop, "a", BLUE).status_code == 201


def test_hangul_ids_are_found_in_either_form(shop: TestClient) -> None:
    composed, decomposed = "\uac00.png", "\u1100\u1161.png"
    assert put_file(shop, decomposed, RED).json()["id"] == composed
    assert put_file(shop, composed, RED).json()["status"] == "unchanged"
    for key in (composed, decomposed):
        assert record(shop, key)["id"] == composed
    assert shop.delete(image_url(decomposed)).status_code == 204


@ON_SQLITE
@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("a/thumbnail", "ends in"),
        ("a/similar", "ends in"),
        ("a%00", "NUL"),
        ("a%01b", "control"),
        ("a%c2%9bb", "control"),
        ("a/", "ends in /"),
        ("", "empty"),
        ("a/%2e%2e/b", "part . or .."),
        ("%2e", "part . or .."),
        ("%ea%b0%80" * 342, "longer than 1024 bytes"),
    ],
)
def test_an_id_that_could_not_be_asked_for_is_refused(shop: TestClient, key: str, why: str) -> None:
    url = f"/v1/collections/shop/images/{key}"
    answer = shop.put(url, files={"file": ("a", RED)})
    detail = assert_problem(answer, 422, "invalid_request")
    assert detail.startswith("path.key: ")
    assert "Value error" not in detail, "pydantic's word, not ours"
    assert why in detail


@pytest.mark.parametrize("key", ["thumbnail", "similar", "a b", "x?y#z%", "/a", "a//b", "가" * 341])
def test_any_other_id_is_as_good(shop: TestClient, key: str) -> None:
    assert put_file(shop, key, RED).status_code == 201
    assert record(shop, key)["id"] == key
    assert thumbnail_of(shop, key)
    assert shop.patch(image_url(key), json={"attributes": {"n": 1}}).status_code == 200
    assert shop.delete(image_url(key)).status_code == 204


def test_an_unknown_collection_is_said_before_the_picture_is_read(client: TestClient) -> None:
    for answer in (
        put_file(client, "a", RED),
        client.patch(image_url("a"), json={"attributes": {}}),
        client.delete(image_url("a")),
    ):
        assert_problem(answer, 404, "unknown_collection")


def test_of_many_puts_of_one_id_one_wins(shop: TestClient) -> None:
    pictures = [png((number * 12, 0, 0)) for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda data: put_file(shop, "a", data), pictures))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert search(shop, text="red") == ["a"]
    sizes = {len(data) for data in pictures}
    assert record(shop, "a")["file_size"] in sizes
    assert shop.get("/v1/collections/shop").json()["images"] == 1
