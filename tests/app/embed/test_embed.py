"""Vectors for whoever wants them: right, unit length, the same in both notations."""

import base64
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.encoding import encode_texts
from tests.app.shop import assert_problem
from tests.app.uploads import in_base64, png
from tests.indexer.pictures.hostile import write_hostile
from tests.tiny_encoder import TinyEncoder

URL = "/v1/embed"


def picture(colour: str) -> dict[str, str]:
    return {"base64": in_base64(png(colour))}


def vectors(client: TestClient, **request: object) -> np.ndarray:
    response = client.post(URL, json={"encoding": "float", **request})
    assert response.status_code == 200, response.text
    return np.array(response.json()["embeddings"], np.float32)


def test_texts_are_embedded_as_searches_embed_them(client: TestClient) -> None:
    found = vectors(client, texts=["빨강", " red ", "바다"])
    assert np.array_equal(found, encode_texts(TinyEncoder(), ["red", "red", "바다"]))


def test_a_picture_and_its_colour_meet(client: TestClient) -> None:
    texts = vectors(client, texts=["빨강", "파랑"])
    images = vectors(client, images=[picture("red"), picture("blue")])
    assert np.argmax(images @ texts.T, axis=1).tolist() == [0, 1]


def test_every_vector_is_of_unit_length(client: TestClient) -> None:
    found = np.vstack(
        [vectors(client, texts=["a", "나"]), vectors(client, images=[picture("red")])]
    )
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("request_", [{"texts": ["빨강", "sea"]}, {"images": [picture("red")]}])
def test_base64_holds_the_same_numbers(client: TestClient, request_: dict[str, object]) -> None:
    body = client.post(URL, json=request_).json()
    assert (body["model"], body["dim"]) == ("tiny", 192)
    rows = [np.frombuffer(base64.b64decode(row), "<f4") for row in body["embeddings"]]
    assert np.array_equal(np.stack(rows), vectors(client, **request_))


def test_another_model_can_be_asked_for_once_a_collection_uses_it(client: TestClient) -> None:
    early = client.post(URL, json={"texts": ["a"], "model": "tiny:2"})
    assert_problem(early, 422, "unknown_model")
    client.post("/v1/collections", json={"name": "other", "model": "tiny:2"})
    assert client.post(URL, json={"texts": ["a"], "model": "tiny:2"}).json()["model"] == "tiny:2"
    unknown = client.post(URL, json={"texts": ["a"], "model": "no-such"})
    assert_problem(unknown, 422, "unknown_model")


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({}, "exactly one"),
        ({"texts": ["a"], "images": [picture("red")]}, "exactly one"),
        ({"texts": ["a"], "model": "tiny", "collection": "shop"}, "at most one"),
        ({"texts": []}, "body.texts"),
        ({"images": []}, "body.images"),
        ({"texts": ["a"] * 257}, "body.texts"),
        ({"images": [picture("red")] * 17}, "body.images"),
        ({"texts": ["a", "b" * 1001]}, "body.texts.1"),
        ({"texts": ["a", " \u200b"]}, "texts.1"),
        ({"texts": ["a"], "encoding": "csv"}, "body.encoding"),
        ({"texts": ["a"], "more": 1}, "body.more"),
        ({"images": [{}]}, "body.images.0"),
        ({"images": [picture("red"), {"id": "a"}]}, "images.1: an image is named by its id"),
        ({"images": [{"base64": "not base64!"}]}, "images.0: base64: not base64"),
        ({"images": [picture("red"), {"base64": "그림"}]}, "images.1"),
        ({"images": [{"base64": picture("red")["base64"][:-3]}]}, "images.0: base64: not base64"),
    ],
)
def test_a_bad_request_names_the_item(
    client: TestClient, request_: dict[str, object], named: str
) -> None:
    assert named in assert_problem(client.post(URL, json=request_), 422, "invalid_request")


def test_a_lone_surrogate_is_named_not_echoed(client: TestClient) -> None:
    content, headers = b'{"texts": ["a", "\\ud800"]}', {"Content-Type": "application/json"}
    response = client.post(URL, content=content, headers=headers)
    assert "body.texts.1" in assert_problem(response, 422, "invalid_request")


def test_hostile_pictures_are_named_with_the_reason_and_counted(
    client: TestClient, tmp_path: Path
) -> None:
    for name, reason in write_hostile(tmp_path / "hostile").items():
        data = (tmp_path / "hostile" / name).read_bytes()
        if not data:
            continue
        asked = {"images": [picture("red"), {"base64": in_base64(data)}]}
        detail = assert_problem(client.post(URL, json=asked), 422, "image_rejected")
        assert detail.startswith(f"images.1: {reason}"), name
    counted = client.get("/metrics").text
    assert 'noongil_rejected_total{reason="truncated"} 14.0' in counted


def test_a_collections_images_are_named_by_id_beside_others(shop: TestClient) -> None:
    found = vectors(shop, collection="shop", images=[{"id": "red.png"}, picture("blue")])
    texts = vectors(shop, collection="shop", texts=["red", "파랑"])
    assert np.allclose(found, texts, atol=1e-3)
    missing = {"collection": "shop", "images": [picture("red"), {"id": "none"}]}
    assert "images.1" in assert_problem(shop.post(URL, json=missing), 404, "not_found")
    unknown = shop.post(URL, json={"collection": "none", "texts": ["a"]})
    assert_problem(unknown, 404, "unknown_collection")


def test_a_collection_without_images_has_its_encoder(client: TestClient) -> None:
    client.post("/v1/collections", json={"name": "new", "model": "tiny:2"})
    client.app_state["serving"].refresh()
    answer = client.post(URL, json={"collection": "new", "texts": ["a"] * 200})
    assert (answer.json()["model"], len(answer.json()["embeddings"])) == ("tiny:2", 200)
