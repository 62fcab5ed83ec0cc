"""However a search arrives, it is read alike, and the answer is what the schema says."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter

from app.search.response import SearchResponse
from tests.app.shop import assert_problem
from tests.databases import ON_SQLITE

URL = "/v1/collections/shop/search"

PLAIN = {"Content-Type": "application/json"}
"""What the short way is for; the others go through FastAPI."""
OTHERS = [
    {"Content-Type": "application/json; charset=utf-8"},
    {"Content-Type": "APPLICATION/JSON"},
    {"Content-Type": "application/vnd.shop+json"},
]

BODIES: list[dict[str, Any]] = [
    {"text": "  빨강 ", "k": 2},
    {"text": "red", "k": "2", "min_relevance": "0.1"},
    {"text": "초록", "include": ["attributes"], "recall": 1},
    {"image": {"id": "red.png"}},
    {"text": "red", "k": 0},
    {"text": "빨강", "colour": "red"},
    {"text": "\x00"},
    {"image": {"id": "none.png"}},
    {},
]


def without_timings(content: bytes) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(content)
    body.pop("timings_ms", None)
    body.pop("request_id", None)
    return body


@ON_SQLITE
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("headers", OTHERS)
def test_the_short_way_and_fastapis_answer_alike(
    shop: TestClient, body: dict[str, Any], headers: dict[str, str]
) -> None:
    content = json.dumps(body).encode()
    short = shop.post(URL, content=content, headers=PLAIN)
    long = shop.post(URL, content=content, headers=headers)
    assert (short.status_code, short.headers["content-type"]) == (
        long.status_code,
        long.headers["content-type"],
    )
    assert without_timings(short.content) == without_timings(long.content)


@ON_SQLITE
@pytest.mark.parametrize("text", ["빨강", "red"])
def test_the_simple_form_answers_as_the_other(shop: TestClient, text: str) -> None:
    posted = shop.post(URL, json={"text": text, "k": 2, "include": ["attributes"]})
    simple = shop.get(URL, params={"q": text, "k": 2, "include": "attributes"})
    assert without_timings(posted.content) == without_timings(simple.content)


def test_json_without_a_word_that_it_is_json_is_refused(shop: TestClient) -> None:
    response = shop.post(URL, content=b'{"text": "red"}', headers={"Content-Type": "text/plain"})
    assert_problem(response, 422, "invalid_request")


@pytest.mark.parametrize("body", [{"text": "빨강"}, {"text": "red", "include": ["attributes"]}])
def test_an_answer_is_what_the_schema_says(shop: TestClient, body: dict[str, Any]) -> None:
    content = shop.post(URL, json=body).content
    adapter = TypeAdapter(SearchResponse)
    assert adapter.dump_json(adapter.validate_json(content, strict=True)) == content
    schemas = shop.get("/openapi.json").json()["components"]["schemas"]
    answer = json.loads(content)
    parts = {"SearchResponse": answer, "Hit": answer["hits"][0], "Query": answer["query"]}
    for name, part in {**parts, "Timings": answer["timings_ms"]}.items():
        assert list(part) == list(schemas[name]["properties"])
        assert set(schemas[name].get("required", [])) <= part.keys()


def test_the_documentation_names_what_goes_in_and_what_comes_out(shop: TestClient) -> None:
    paths = shop.get("/openapi.json").json()["paths"]
    search = paths["/v1/collections/{collection}/search"]
    sent = search["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert sent == {"$ref": "#/components/schemas/SearchRequest"}
    similar = paths["/v1/collections/{collection}/images/{key}/similar"]
    for operation in (search["post"], search["get"], similar["get"]):
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer == {"$ref": "#/components/schemas/SearchResponse"}
        assert operation["tags"] == ["search"]
