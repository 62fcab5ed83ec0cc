"""Where the API and its description said two things, as test_fuzzed.py found out."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from tests.app.api.wardrobe import wares
from tests.app.keys import KEYS, created
from tests.app.shop import assert_problem, served
from tests.app.uploads import new_shop

SHOP = "/v1/collections/shop"
SEARCH = f"{SHOP}/search"


def documented(client: TestClient, method: str, path: str) -> dict[str, Any]:
    operation: dict[str, Any] = client.get("/openapi.json").json()["paths"][path][method]
    return operation["responses"]


@pytest.fixture
def stall(client: TestClient) -> TestClient:
    new_shop(client)
    first = json.dumps(next(wares()))
    headers = {"Content-Type": "application/x-ndjson"}
    client.post(f"{SHOP}/images:batch", content=first, headers=headers)
    return client


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/collections", "GET, HEAD, POST"),
        (SEARCH, "GET, HEAD, POST"),
        (f"{SHOP}/images/a/b", "DELETE, GET, HEAD, PATCH, PUT"),
        (f"{SHOP}/images/a/similar", "GET, HEAD"),
        (f"{SHOP}/images:batch", "POST"),
        (KEYS, "GET, HEAD, POST"),
        ("/healthz", "GET, HEAD"),
    ],
)
def test_a_refused_method_is_told_all_that_the_address_has(
    client: TestClient, path: str, methods: str
) -> None:
    response = client.request("TRACE", path)
    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == methods


@pytest.mark.parametrize(
    "body",
    [
        {"k": True},
        {"k": "5"},
        {"k": 5.5},
        {"recall": True},
        {"min_relevance": False},
        {"diversity": "0.5"},
        {"verbatim": 1},
        {"collapse_duplicates": "yes"},
        {"queries": [{"text": "끈", "weight": True}]},
    ],
)
def test_a_search_takes_no_truth_value_for_a_number_nor_a_text(
    stall: TestClient, body: dict[str, Any]
) -> None:
    assert_problem(stall.post(SEARCH, json={"text": "빨강", **body}), 422, "invalid_request")


def test_in_an_address_numbers_and_truth_values_are_texts(stall: TestClient) -> None:
    asked = "q=빨강&k=1&min_relevance=0&verbatim=true&diversity=0.0"
    assert len(stall.get(f"{SEARCH}?{asked}").json()["hits"]) == 1
    assert stall.post(SEARCH, json={"text": "빨강", "min_relevance": 0}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/collections", {"name": "new", "recall": True}),
        (KEYS, {"name": "a", "scope": "read", "requests_per_minute": True}),
        (KEYS, {"name": "a", "scope": "read", "requests_per_minute": "5"}),
        ("/v1/admin/collections/shop/reindex", {"recall": True}),
    ],
)
def test_administration_takes_numbers_alone_for_numbers(
    stall: TestClient, path: str, body: dict[str, Any]
) -> None:
    assert_problem(stall.post(path, json=body), 422, "invalid_request")


def test_a_grace_of_true_hours_ends_no_key(client: TestClient) -> None:
    key = created(client)
    path = f"{KEYS}/{key['id']}/rotate"
    assert_problem(client.post(path, json={"grace_hours": False}), 422, "invalid_request")
    assert [each["expires_at"] for each in client.get(KEYS).json()] == [None]
    assert client.post(path, json={"grace_hours": 1}).status_code == 201


def test_dates_and_kinds_of_index_are_still_texts(stall: TestClient) -> None:
    key = {"name": "a", "scope": "read", "expires_at": "2099-01-01T00:00:00+09:00"}
    assert stall.post(KEYS, json=key).json()["expires_at"] == "2098-12-31T15:00:00Z"
    queued = stall.post("/v1/admin/collections/shop/reindex", json={"index": "flat"})
    assert queued.status_code == 202


@pytest.mark.parametrize("name", ["x" * 65, " " * 65, " " * 64 + "x", " ", ""])
def test_a_key_s_name_is_as_long_as_the_schema_says(client: TestClient, name: str) -> None:
    assert_problem(client.post(KEYS, json={"name": name, "scope": "read"}), 422, "invalid_request")
    assert created(client, name=" 앱 ")["name"] == "앱"


def test_a_head_that_is_too_large_is_documented(settings: Settings, client: TestClient) -> None:
    with served(settings) as server:
        response = server.get(SEARCH, headers={"X-Long": "a" * 70_000})
    assert_problem(response, 431, "head_too_large")
    assert "431" in documented(client, "get", "/v1/collections/{collection}/search")


def test_what_is_not_json_is_documented_as_what_it_is(client: TestClient) -> None:
    kinds = {
        "/metrics": "text/plain",
        "/v1/collections/{collection}/images/{key}/thumbnail": "image/webp",
        "/v1/admin/jobs/{job_id}/events": "text/event-stream",
    }
    for path, kind in kinds.items():
        assert [*documented(client, "get", path)["200"]["content"]] == [kind]
    assert client.get("/metrics").headers["content-type"].startswith("text/plain")
