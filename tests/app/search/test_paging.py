"""Page after page nothing is shown twice, and nothing left out, whatever is written meanwhile."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.search import cursor as cursors
from app.search import page as pages_module
from app.search import pages as next_pages
from tests.app.search.answers import URL, ask, ids, pages, post
from tests.app.search.conftest import line, put, wares
from tests.app.shop import assert_problem, image_url, index, refresh

REQUESTS: list[dict[str, Any]] = [
    {"text": "red"},
    {"image": {"id": "red-03"}},
    {"text": "red", "queries": [{"text": "green", "weight": -0.5}]},
    {"text": "red", "filter": {"price": {"gte": 3000}}},
    {"text": "red", "min_relevance": 0.5},
    {"text": "red", "sort": "-price"},
    {"text": "red", "group_by": "product"},
    {"text": "red", "group_by": "brand", "sort": "price"},
    {"text": "red", "diversity": 0.6},
    {"text": "blue", "collapse_duplicates": True},
    {"text": "red", "collapse_duplicates": True, "diversity": 0.3, "group_by": "brand"},
]


def alike(key: str) -> str:
    return key.removesuffix("-again")


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
@pytest.mark.parametrize("k", [1, 4])
def test_the_pages_are_the_whole_in_parts(
    stall: TestClient, request_: dict[str, Any], k: int
) -> None:
    whole = ids(stall, **request_, k=1000)
    found = pages(stall, **request_, k=k)
    # Two wares have one picture: which of them comes first is nobody's business.
    assert [alike(key) for page in found for key in page] == [alike(key) for key in whole]
    assert len({key for page in found for key in page}) == len(whole)
    assert all(len(page) == k for page in found[:-1])
    assert 0 < len(found[-1]) <= k


def test_there_is_no_next_page_where_there_is_nothing_more(stall: TestClient) -> None:
    everything = len(wares())
    assert ask(stall, text="red", k=everything)["next_cursor"] is None
    assert ask(stall, text="red", k=everything - 1)["next_cursor"] is not None
    bounded = ask(stall, text="red")["hits"][2]["relevance"]
    assert ask(stall, text="red", k=3, min_relevance=bounded)["next_cursor"] is None


def test_the_size_of_a_page_and_what_is_shown_may_change(stall: TestClient) -> None:
    cursor = ask(stall, text="red", k=2, facets=["brand"])["next_cursor"]
    more = ask(stall, text="red", k=3, include=["attributes"], cursor=cursor)
    assert [hit["id"] for hit in more["hits"]] == ids(stall, text="red")[2:5]


def test_facets_are_the_same_on_each_page(stall: TestClient) -> None:
    first = ask(stall, text="red", k=2, facets=["brand"])
    second = ask(stall, text="red", k=2, facets=["brand"], cursor=first["next_cursor"])
    assert second["facets"] == first["facets"]


def test_the_other_forms_have_pages_too(stall: TestClient) -> None:
    whole = ids(stall, text="red", filter={"price": {"gte": 3000}}, sort="price")
    params = {"q": "red", "k": 4, "filter": '{"price": {"gte": 3000}}', "sort": "price"}
    first = stall.get(URL, params=params).json()
    second = stall.get(URL, params={**params, "cursor": first["next_cursor"]}).json()
    assert [hit["id"] for hit in first["hits"] + second["hits"]] == whole[:8]
    similar = stall.get(image_url("red-03", "/similar"), params={"k": 4}).json()
    cursor = {"k": 4, "cursor": similar["next_cursor"]}
    more = stall.get(image_url("red-03", "/similar"), params=cursor).json()
    found = [hit["id"] for hit in similar["hits"] + more["hits"]]
    assert found == ids(stall, image={"id": "red-03"}, k=8)


def test_answers_that_are_kept_have_their_own_cursor(stall: TestClient) -> None:
    first, again = ask(stall, text="red", k=3), ask(stall, text="red", k=3)
    assert again["timings_ms"]["search"] == 0
    assert again["next_cursor"] == first["next_cursor"]
    second = ask(stall, text="red", k=3, cursor=first["next_cursor"])
    assert second["hits"] != first["hits"]


@pytest.mark.parametrize(
    "other",
    [
        {"text": "blue"},
        {"text": "red", "min_relevance": 0.01},
        {"text": "red", "recall": 0.5},
        {"text": "red", "filter": {"price": 700}},
        {"text": "red", "sort": "price"},
        {"text": "red", "group_by": "brand"},
        {"text": "red", "diversity": 0.1},
        {"text": "red", "collapse_duplicates": True},
        {"text": "red", "verbatim": True},
        {"text": "red", "queries": [{"text": "red"}]},
        {"image": {"id": "red-00"}},
    ],
    ids=str,
)
def test_a_cursor_belongs_to_its_request(stall: TestClient, other: dict[str, object]) -> None:
    cursor = ask(stall, text="red", k=2)["next_cursor"]
    refused = post(stall, **other, k=2, cursor=cursor)
    assert "cursor" in assert_problem(refused, 422, "invalid_request")


@pytest.mark.parametrize("cursor", ["x", "AAAA", "=", "가", "\u0000", "A" * 20_000, "!" * 50])
def test_what_is_no_cursor_is_refused(stall: TestClient, cursor: str) -> None:
    posted = post(stall, text="red", cursor=cursor)
    assert "cursor" in assert_problem(posted, 422, "invalid_request")


def test_a_cursor_of_another_collection_is_refused(stall: TestClient) -> None:
    cursor = ask(stall, text="red", k=2)["next_cursor"]
    assert stall.post("/v1/collections", json={"name": "second"}).status_code == 201
    put_url = "/v1/collections/second/images/a"
    stall.put(put_url, json={"base64": line("a", (1, 2, 3))["base64"]})
    refused = stall.post("/v1/collections/second/search", json={"text": "red", "cursor": cursor})
    assert "cursor" in assert_problem(refused, 422, "invalid_request")


def test_all_pages_together_have_a_bound(
    stall: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (cursors, pages_module, next_pages):
        monkeypatch.setattr(module, "MAX_SHOWN", 10)
    found = pages(stall, text="red", k=4, recall=0.123)
    assert [len(page) for page in found] == [4, 4, 2]
    sorted_pages = pages(stall, text="red", k=4, recall=0.123, sort="price")
    assert [len(page) for page in sorted_pages] == [4, 4, 2]


@pytest.mark.parametrize("more", [{}, {"sort": "price"}, {"diversity": 0.4}], ids=str)
def test_what_is_written_meanwhile_doubles_and_loses_nothing(
    client: TestClient, more: dict[str, object]
) -> None:
    client.post("/v1/collections", json={"name": "shop"})
    put(client, wares())
    request = {"text": "red", "k": 4, **more}
    first = ask(client, **request)
    shown = [hit["id"] for hit in first["hits"]]
    everything = {each["id"] for each in wares()}
    gone = sorted(everything - {*shown})[:2]
    put(
        client,
        [
            line("new", (255, 1, 1), price=1),
            line(shown[0], (0, 200, 200), price=99),
            *({"op": "delete", "id": key} for key in gone),
            {"op": "patch", "id": shown[1], "attributes": {"price": 5}},
        ],
    )
    answer, rest = first, []
    while answer["next_cursor"] is not None:
        answer = ask(client, **request, cursor=answer["next_cursor"])
        rest += [hit["id"] for hit in answer["hits"]]
    assert len({*shown, *rest}) == len(shown) + len(rest), "nothing twice"
    assert {*rest} == (everything | {"new"}) - {*shown, *gone}, "and all of the rest"


def test_another_version_ends_the_pages(
    client: TestClient, settings: Settings, photos: Path
) -> None:
    index(settings, photos)
    refresh(client)
    cursor = ask(client, text="red", k=1)["next_cursor"]
    assert len(ask(client, text="red", k=1, cursor=cursor)["hits"]) == 1
    (photos / "green.png").unlink()
    index(settings, photos)
    refresh(client)
    expired = post(client, text="red", k=1, cursor=cursor)
    assert "search again" in assert_problem(expired, 410, "cursor_expired")
