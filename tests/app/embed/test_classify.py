"""Labels for a picture by a model that was never taught them."""

import math
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.encoding import encode_texts
from tests.app.shop import assert_problem
from tests.app.uploads import in_base64, png
from tests.tiny_encoder import TinyEncoder

URL = "/v1/classify"
RED = {"base64": in_base64(png("red"))}


def labels(client: httpx.Client, **request: object) -> list[dict[str, Any]]:
    response = client.post(URL, json=request)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["labels"]
    return found


def test_the_right_label_comes_first_in_both_languages(client: TestClient) -> None:
    for right in ("빨강", "red"):
        found = labels(client, image=RED, labels=["파랑", "sea", right, "green"])
        assert [found[0]["label"], found[0]["score"]] == [right, 1.0]
        scores = [one["score"] for one in found]
        assert scores == sorted(scores, reverse=True)


def test_probabilities_are_a_softmax_of_cosines_at_the_models_scale(client: TestClient) -> None:
    found = labels(client, image=RED, labels=["green", "빨강", "바다"])
    encoder = TinyEncoder()
    picture = encode_texts(encoder, ["red"])[0]
    asked = ("green", "빨강", "바다")
    cosines = dict(zip(asked, encode_texts(encoder, asked) @ picture, strict=True))
    odds = {label: math.exp(encoder.spec.logit_scale * cosine) for label, cosine in cosines.items()}
    for one in found:
        assert one["score"] == pytest.approx(cosines[one["label"]], abs=1e-5)
        assert one["probability"] == pytest.approx(
            odds[one["label"]] / sum(odds.values()), abs=1e-4
        )
    assert sum(one["probability"] for one in found) == pytest.approx(1, abs=1e-5)


def test_labels_come_back_as_they_were_sent(client: TestClient) -> None:
    found = labels(client, image=RED, labels=["  파랑  ", "빨강"])
    assert [one["label"] for one in found] == ["빨강", "  파랑  "]


def test_as_many_labels_as_there_may_be(client: TestClient) -> None:
    found = labels(client, image=RED, labels=["red", *(f"이름 {n}" for n in range(255))])
    assert len(found) == 256
    assert found[0]["label"] == "red"
    assert np.isfinite([one["probability"] for one in found]).all()


def test_an_image_of_a_collection_is_named_by_its_id(shop: TestClient) -> None:
    found = labels(
        shop, image={"id": "blue.png"}, collection="shop", labels=["red", "blue", "green"]
    )
    assert found[0]["label"] == "blue"


@pytest.mark.parametrize(
    ("request_", "status", "code", "named"),
    [
        ({"labels": ["a", "b"]}, 422, "invalid_request", "body.image"),
        ({"image": RED}, 422, "invalid_request", "body.labels"),
        ({"image": RED, "labels": ["a"]}, 422, "invalid_request", "body.labels"),
        ({"image": RED, "labels": ["a"] * 257}, 422, "invalid_request", "body.labels"),
        ({"image": RED, "labels": ["a", "\u200b "]}, 422, "invalid_request", "labels.1"),
        ({"image": RED, "labels": ["가", "b", " 가"]}, 422, "invalid_request", "labels.2"),
        ({"image": RED, "labels": ["a", "b"], "more": 1}, 422, "invalid_request", "body.more"),
        ({"image": {}, "labels": ["a", "b"]}, 422, "invalid_request", "exactly one"),
        ({"image": {"id": "a"}, "labels": ["a", "b"]}, 422, "invalid_request", "collection"),
        (
            {"image": {"base64": "aGk="}, "labels": ["a", "b"]},
            422,
            "image_rejected",
            "not_an_image",
        ),
        ({"image": {"base64": "?"}, "labels": ["a", "b"]}, 422, "invalid_request", "base64"),
        (
            {"image": {"url": "http://127.0.0.1/a"}, "labels": ["a", "b"]},
            422,
            "image_rejected",
            "address_refused",
        ),
        (
            {"image": RED, "labels": ["a", "b"], "model": "no"},
            422,
            "unknown_model",
            "no collection",
        ),
        (
            {"image": RED, "labels": ["a", "b"], "collection": "none"},
            404,
            "unknown_collection",
            "none",
        ),
        (
            {"image": RED, "labels": ["a", "b"], "collection": "none", "model": "tiny"},
            422,
            "invalid_request",
            "at most one",
        ),
    ],
)
def test_what_is_wrong_is_said(
    client: TestClient, request_: dict[str, object], status: int, code: str, named: str
) -> None:
    assert named in assert_problem(client.post(URL, json=request_), status, code)


def test_an_image_that_is_not_there_is_not_found(shop: TestClient) -> None:
    asked = {"image": {"id": "none"}, "collection": "shop", "labels": ["a", "b"]}
    assert_problem(shop.post(URL, json=asked), 404, "not_found")
