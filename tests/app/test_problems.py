"""Whatever goes wrong, a client gets a problem that it can read, and never our insides."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.collections import service
from app.config import Settings
from tests.app.shop import (
    assert_problem,
    image_url,
    index,
    opened,
    refresh,
    served,
    take_away_database,
)

URL = "/v1/collections/shop/search"
JSON = {"Content-Type": "application/json"}
SECRET = "secret-from-within"  # noqa: S105 - looked for in answers


def test_addresses_and_methods_that_are_not_there(client: TestClient) -> None:
    assert_problem(client.get("/v1/nothing"), 404, "not_found")
    assert_problem(client.get("/static/x/nothing.js"), 404, "not_found")
    wrong = client.put("/v1/collections", json={})
    assert_problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"]


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"k": ' + b"9" * 5000 + b"}", b'{"text": "\xff\xfe"}'],
    ids=["nesting", "digits", "encoding"],
)
def test_json_that_breaks_parsers(client: TestClient, body: bytes) -> None:
    response = client.post(URL, content=body, headers=JSON)
    assert response.status_code in {400, 422}
    assert_problem(response, response.status_code, response.json()["code"])


def test_a_body_that_does_not_say_that_it_is_json_is_not_read_as_json(client: TestClient) -> None:
    """A page of another site can send text/plain without asking; not application/json."""
    for headers in ({"Content-Type": "text/plain"}, {}):
        response = client.post("/v1/collections", content=b'{"name": "mine"}', headers=headers)
        assert_problem(response, 422, "invalid_request")


@pytest.fixture
def small(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_body_bytes": 1000})


def chunks(size: int) -> Iterator[bytes]:
    """A body without Content-Length."""
    for _ in range(size // 100):
        yield b"x" * 100


def test_a_declared_body_over_the_limit_is_refused_unread(small: Settings) -> None:
    with opened(small) as client:
        detail = assert_problem(client.post(URL, content=b"x" * 1001), 413, "body_too_large")
        assert "1000 bytes" in detail
        within = json.dumps({"text": "x" * 1200})[:1000].encode()
        assert client.post(URL, content=within, headers=JSON).status_code == 422
        for length in ("9" * 30, "9" * 6000):
            endless = client.post(URL, content=b"", headers={"Content-Length": length})
            assert_problem(endless, 413, "body_too_large")


def test_an_undeclared_body_over_the_limit_is_cut_off(small: Settings) -> None:
    with served(small) as client:
        over = client.post(URL, content=chunks(100_000), headers=JSON)
        assert_problem(over, 413, "body_too_large")
        just = client.post(URL, content=chunks(1000), headers=JSON)
        assert_problem(just, 422, "invalid_request")
        assert client.get("/healthz").status_code == 200, "the server goes on"


def test_a_fault_of_ours_is_logged_and_not_told(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(service, "list_all", fail)
    with caplog.at_level(logging.ERROR):
        response = client.get("/v1/collections")
    assert_problem(response, 500, "internal_error")
    assert SECRET not in response.text
    assert SECRET in caplog.text


def test_a_database_that_goes_away_is_an_outage_not_a_fault(
    shop: TestClient, database_url: str
) -> None:
    take_away_database(shop, database_url)
    calls = [
        shop.get(URL, params={"q": "red"}),
        shop.post(URL, json={"text": "red"}),
        shop.get("/v1/collections"),
        shop.post("/v1/collections", json={"name": "new"}),
        shop.delete("/v1/collections/shop"),
        shop.get(image_url("red.png", "/thumbnail")),
        shop.get("/readyz"),
    ]
    for response in calls:
        detail = assert_problem(response, 503, "catalog_unavailable")
        for inside in ("SELECT", "FROM", "sqlalche", "psycopg", "postgres", "file is not"):
            assert inside not in detail
    assert shop.get("/healthz").status_code == 200, "a restart would not bring it back"


def test_an_address_cannot_write_to_the_operators_terminal(
    shop: TestClient, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    take_away_database(shop, database_url)
    for odd in ("%1b%5b2J", "%c2%9b2J", "a%0a2026-11-21 ERROR forged"):
        assert shop.get(f"/v1/collections/{odd}").status_code == 503
    shop.get("/v1/collections/%ED%95%9C")
    logged = [record.getMessage() for record in caplog.records if record.name == "app.errors"]
    assert len(logged) == 4
    assert not any(character in line for line in logged for character in "\x1b\x9b")
    assert r"a\n2026" in logged[2]
    assert "한" in logged[3], "what can be read is shown as it is"
    assert shop.get("/metrics").status_code == 200


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["text", "image", "k", "recall", "min_relevance", "include", "filter"])
bodies = (
    st.fixed_dictionaries({"text": st.text(min_size=1)})
    | st.fixed_dictionaries({"image": st.fixed_dictionaries({"id": st.text()})})
    | st.dictionaries(fields | st.text(), values, max_size=5)
    | values
)
quick = examples(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)


def answered(response_status: int, content_type: str) -> None:
    assert response_status < 500
    if response_status >= 400:
        assert content_type == "application/problem+json"


@quick
@given(body=bodies)
def test_no_body_is_a_fault(shop: TestClient, body: object) -> None:
    content = json.dumps(body, ensure_ascii=True).encode()
    response = shop.post(URL, content=content, headers=JSON)
    answered(response.status_code, response.headers["content-type"])
    response.json()


@quick
@given(
    name=st.text(max_size=20),
    key=st.text(max_size=20),
    q=st.text(max_size=40),
    k=st.integers() | st.text(),
)
def test_no_address_is_a_fault(shop: TestClient, name: str, key: str, q: str, k: int | str) -> None:
    params = {"q": q.encode(errors="replace"), "k": str(k).encode(errors="replace")}
    name, key = (text.encode(errors="replace").decode() for text in (name, key))
    for path in (
        "/v1/collections/shop/search",
        image_url(key, "/similar"),
        image_url(key, "/thumbnail"),
        image_url(key, collection=name),
    ):
        response = shop.get(path, params=params)
        answered(response.status_code, response.headers["content-type"])


def test_a_photo_folder_that_goes_away_leaves_search_alone(
    client: TestClient, settings: Settings, photos: Path
) -> None:
    index(settings, photos)
    refresh(client)
    photos.rename(photos.with_name("elsewhere"))
    assert client.get(URL, params={"q": "red"}).status_code == 200
    assert_problem(client.get(image_url("red.png", "/thumbnail")), 404, "not_found")
