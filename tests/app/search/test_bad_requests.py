"""Whatever is sent to a search: it is judged, its field is named, and nothing of it is a 500."""

import json

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.search.answers import URL
from tests.app.search.conftest import line
from tests.app.shop import assert_problem

JSON = {"Content-Type": "application/json"}

DEEP = '{"text": "red", "filter": ' + '{"not": ' * 150 + "{}" + "}" * 150 + "}"
DEEPER = '{"text": "red", "filter": ' + '{"not": ' * 50_000 + "{}" + "}" * 50_000 + "}"
LONG_IN = json.dumps({"text": "red", "filter": {"price": list(range(1001))}})

BAD = [
    ('{"queries": []}', "at least one"),
    ('{"queries": [{}]}', "queries.0"),
    ('{"queries": [{"text": "a", "image": {"id": "b"}}]}', "queries.0"),
    ('{"queries": [{"text": "a", "weight": 0}]}', "queries.0"),
    ('{"queries": [{"text": "a", "weight": 10.5}]}', "queries.0.weight"),
    ('{"queries": [{"text": "a", "weight": -11}]}', "queries.0.weight"),
    ('{"queries": [{"text": "a", "weight": NaN}]}', "queries.0.weight"),
    ('{"queries": [{"text": "a", "weight": Infinity}]}', "queries.0.weight"),
    ('{"queries": [{"text": "a", "weight": null}]}', "queries.0.weight"),
    ('{"queries": [{"text": "\\u200b"}]}', "queries.0.text"),
    ('{"queries": [{"text": "\\ud800"}]}', "queries.0.text"),
    ('{"queries": {"text": "a"}}', "queries"),
    (json.dumps({"queries": [{"text": "a"}] * 17}), "queries"),
    ('{"image": {}}', "exactly one"),
    ('{"image": {"url": ""}}', "image.url"),
    ('{"image": {"base64": "가"}}', "image.base64"),
    ('{"image": {"base64": "\\ud800"}}', "image.base64"),
    ('{"image": {"base64": "!!!"}}', "base64"),
    ('{"text": "a", "verbatim": "maybe"}', "verbatim"),
    ('{"text": "a", "filter": []}', "filter"),
    ('{"text": "a", "filter": "price"}', "filter"),
    ('{"text": "a", "filter": {"price": NaN}}', "filter"),
    ('{"text": "a", "filter": {"price": {"gte": -Infinity}}}', "filter"),
    ('{"text": "a", "filter": {"brand": "\\ud800"}}', "filter"),
    ('{"text": "a", "filter": {"\\ud800": 1}}', "filter"),
    ('{"text": "a", "filter": {"brand": "a\\u0000"}, "facets": ["\\u0000"]}', "facets.0"),
    ('{"text": "a", "filter": {"price": 1' + "0" * 400 + "}}", "filter"),
    ('{"text": "a", "filter": {"price": {"between": 1}}}', "filter.price"),
    ('{"text": "a", "filter": {"any": {}}}', "filter.any"),
    ('{"text": "a", "filter": {"": 1}}', "filter"),
    (DEEP, "filter"),
    (LONG_IN, "filter.price"),
    (json.dumps({"text": "a", "facets": ["brand"] * 11}), "facets"),
    ('{"text": "a", "facets": [""]}', "facets.0"),
    ('{"text": "a", "facets": "brand"}', "facets"),
    (json.dumps({"text": "a", "facets": ["x" * 65]}), "facets.0"),
    ('{"text": "a", "sort": ""}', "sort"),
    ('{"text": "a", "sort": "-"}', "sort"),
    ('{"text": "a", "sort": ["price"]}', "sort"),
    ('{"text": "a", "sort": {"field": "price", "order": "up"}}', "sort.order"),
    ('{"text": "a", "sort": "\\ud800"}', "sort"),
    ('{"text": "a", "sort": "price", "diversity": 0.5}', "diversity"),
    ('{"text": "a", "group_by": ["brand"]}', "group_by"),
    ('{"text": "a", "diversity": 1.01}', "diversity"),
    ('{"text": "a", "diversity": -0.1}', "diversity"),
    ('{"text": "a", "diversity": NaN}', "diversity"),
    ('{"text": "a", "collapse_duplicates": 2}', "collapse_duplicates"),
    ('{"text": "a", "include": ["vectors"]}', "include.0"),
    ('{"text": "a", "cursor": ""}', "cursor"),
    ('{"text": "a", "cursor": 5}', "cursor"),
    ('{"text": "a", "cursor": "\\ud800"}', "cursor"),
    ('{"text": "a", "k": 1' + "0" * 400 + "}", "k"),
]


@pytest.mark.parametrize(("body", "named"), BAD, ids=lambda value: ascii(value)[:60])
def test_what_is_wrong_is_named(stall: TestClient, body: str, named: str) -> None:
    response = stall.post(URL, content=body.encode(), headers=JSON)
    assert response.status_code == 422, response.text
    assert named in response.json()["detail"]
    assert response.headers["content-type"] == "application/problem+json"
    assert len(response.content) < 2_000


@pytest.mark.parametrize(
    "body", [DEEPER, '{"text": "a", "k": ' + "1" * 5_000 + "}", "\udcff"], ids=len
)
def test_what_no_parser_takes_is_refused(stall: TestClient, body: str) -> None:
    content = body.encode("utf-8", "surrogateescape")
    response = stall.post(URL, content=content, headers=JSON)
    assert response.status_code in {400, 422}, response.text
    assert response.headers["content-type"] == "application/problem+json"


BOUNDS = [
    {"queries": [{"text": "a", "weight": -10}, {"text": "b", "weight": 10}]},
    {"queries": [{"text": f"word {number}"} for number in range(16)]},
    {"text": "a", "diversity": 1},
    {"text": "a", "diversity": 0, "sort": "price"},
    {"text": "a", "facets": ["brand", "price", "tags", "sold_out", "product"] * 2},
    {"text": "a", "filter": {"price": list(range(1000))}},
    {"text": "a", "filter": None, "sort": None, "group_by": None, "cursor": None, "image": None},
    {"text": "a", "group_by": " brand "},
    {"text": "a", "include": ["attributes", "regions", "embedding"] * 2},
    {"text": "a", "k": 1000, "collapse_duplicates": True, "diversity": 0.5},
]


@pytest.mark.parametrize("body", BOUNDS, ids=lambda body: ascii(body)[:60])
def test_what_is_just_allowed_is_answered(stall: TestClient, body: dict[str, object]) -> None:
    response = stall.post(URL, json=body)
    assert response.status_code == 200, response.text


def test_the_like_of_an_image_is_asked_for_without_options(stall: TestClient) -> None:
    """A filter that is passed over shows what was filtered out."""
    like = "/v1/collections/shop/images/red-00/similar"
    assert stall.get(like, params={"k": 2}).status_code == 200
    for params, named in (
        ({"filter": "{}"}, "filter"),
        ({"k": 0}, "k"),
        ({"cursor": ""}, "cursor"),
    ):
        refused = stall.get(like, params=params)
        assert f"query.{named}" in assert_problem(refused, 422, "invalid_request")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = [
    "text", "image", "queries", "k", "cursor", "recall", "min_relevance", "filter", "facets",
    "group_by", "sort", "diversity", "collapse_duplicates", "include", "verbatim",
]  # fmt: skip


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4))
def test_nothing_that_can_be_sent_breaks_it(stall: TestClient, body: dict[str, object]) -> None:
    response = stall.post(URL, content=json.dumps(body).encode(), headers=JSON)
    assert response.status_code in {200, 404, 422}, (body, response.text)


RED = line("red", (255, 0, 0))["base64"]
PICTURES = [
    ({"image": {"id": "none"}}, 404, "not_found", "image"),
    ({"text": "a", "image": {"base64": "AAAA"}}, 422, "image_rejected", "image"),
    ({"queries": [{"text": "a"}, {"image": {"id": "none"}}]}, 404, "not_found", "queries.1.image"),
    (
        {"image": {"base64": RED}, "queries": [{"image": {"base64": "A"}}]},
        422,
        "invalid_request",
        "queries.0.image",
    ),
    (
        {"queries": [{"image": {"url": "http://127.0.0.1/"}}, {"image": {"id": "none"}}]},
        422,
        "image_rejected",
        "queries.0.image",
    ),
]


@pytest.mark.parametrize(
    ("body", "status", "code", "where"), PICTURES, ids=lambda value: str(value)[:60]
)
def test_of_several_pictures_the_one_at_fault_is_named(
    stall: TestClient, body: dict[str, object], status: int, code: str, where: str
) -> None:
    response = stall.post(URL, json=body)
    assert assert_problem(response, status, code).startswith(f"{where}: ")
    assert [error["field"] for error in response.json()["errors"]] == [where]


def test_without_images_the_form_of_a_filter_is_judged_too(stall: TestClient) -> None:
    """Who tries the API before the first image should not learn it afterwards."""
    assert stall.post("/v1/collections", json={"name": "bare"}).status_code == 201
    url = "/v1/collections/bare/search"
    refused = stall.post(url, json={"text": "a", "filter": {"price": {"between": [1, 2]}}})
    assert "filter.price.between" in assert_problem(refused, 422, "invalid_request")
    assert stall.post(url, json={"text": "a", "filter": {"price": {"gte": 1}}}).json()["hits"] == []


SIMPLE = [
    ({"q": "red", "filter": "{"}, "filter"),
    ({"q": "red", "filter": "[]"}, "filter"),
    ({"q": "red", "filter": '{"price": NaN}'}, "filter"),
    ({"q": "red", "filter": '{"colour": 1}'}, "filter.colour"),
    ({"q": "red", "filter": "{" * 9000}, "filter"),
    ({"q": "red", "sort": "-"}, "sort"),
    ({"q": "red", "sort": "x" * 100}, "sort"),
    ({"q": "red", "sort": "price", "diversity": "0.2"}, "diversity"),
    ({"q": "red", "diversity": "2"}, "diversity"),
    ({"q": "red", "facets": ""}, "facets"),
    ({"q": "red", "cursor": "???"}, "cursor"),
    ({"q": "red", "filtr": '{"price": 1}'}, "filtr"),
    ({}, "q"),
]


@pytest.mark.parametrize(("params", "named"), SIMPLE, ids=str)
def test_the_simple_form_is_judged_alike(
    stall: TestClient, params: dict[str, str], named: str
) -> None:
    assert named in assert_problem(stall.get(URL, params=params), 422, "invalid_request")


def test_the_simple_form_has_what_fits_into_an_address(stall: TestClient) -> None:
    params = {
        "q": "red",
        "filter": '{"sold_out": false}',
        "facets": ["brand", "product"],
        "sort": "-price",
        "group_by": "product",
        "include": ["attributes"],
        "collapse_duplicates": "true",
    }
    simple = stall.get(URL, params=params).json()
    request = {
        "text": "red",
        "filter": {"sold_out": False},
        "facets": ["brand", "product"],
        "sort": {"field": "price", "order": "desc"},
        "group_by": "product",
        "include": ["attributes"],
        "collapse_duplicates": True,
    }
    posted = stall.post(URL, json=request).json()
    assert {**simple, "timings_ms": 0} == {**posted, "timings_ms": 0}
    assert simple["hits"]
