"""Hits that are sorted, grouped, counted, collapsed and varied are what a shopper would count."""

from collections import Counter
from unicodedata import normalize

import pytest
from fastapi.testclient import TestClient

from app.search import candidates
from app.search import facets as facets_module
from tests.app.search.answers import ask, ids, post
from tests.app.search.conftest import line, put, wares
from tests.app.shop import assert_problem

WARES = {each["id"]: each["attributes"] for each in wares()}


def relevant(stall: TestClient, floor: float) -> list[str]:
    return [hit["id"] for hit in ask(stall, text="red")["hits"] if hit["relevance"] >= floor]


def test_a_filter_leaves_what_passes_in_its_order(stall: TestClient) -> None:
    everything = ids(stall, text="red")
    passing = [key for key in everything if WARES[key].get("price", 0) >= 5000]
    assert ids(stall, text="red", filter={"price": {"gte": 5000}}) == passing
    assert ids(stall, text="red", filter={"price": {"gte": 5000}}, k=3) == passing[:3]
    assert ids(stall, text="red", filter={}) == everything
    assert ids(stall, text="red", filter={"price": {"gt": 10**9}}) == []
    like = ids(stall, image={"id": "red-00"}, filter={"not": {"sold_out": True}})
    assert "red-00" not in like
    assert {*like} == {key for key in everything if not WARES[key].get("sold_out")}


def test_hangul_is_filtered_by_in_either_normal_form(client: TestClient) -> None:
    """A catalogue that was written on a Mac is decomposed; what people type is not."""
    apart, together = normalize("NFD", "눈길"), normalize("NFC", "눈길")
    client.post("/v1/collections", json={"name": "shop"})
    colours = [normalize("NFD", "빨강"), "파랑"]
    put(client, [line("mac", (255, 0, 0), **{normalize("NFD", "브랜드"): apart}, 색=colours)])
    put(client, [line("pc", (0, 0, 255), 브랜드=together)])
    for name in (normalize(form, "브랜드") for form in ("NFC", "NFD")):
        for value in (apart, together):
            assert ids(client, text="red", filter={name: value}) == ["mac", "pc"]
    facets = ask(client, text="red", facets=["브랜드", "색"], group_by="브랜드")["facets"]
    assert facets["브랜드"] == [{"value": together, "count": 2}]
    assert ids(client, text="red", filter={"색": "빨강"}) == ["mac"]
    client.patch("/v1/collections/shop/images/pc", json={"attributes": {"색": [colours[0]]}})
    assert ids(client, text="red", filter={"색": "빨강"}) == ["mac", "pc"]


def test_facets_count_the_candidates(stall: TestClient) -> None:
    answer = ask(stall, text="red", k=2, facets=["brand", "tags", "sold_out", "price"])
    brands = Counter(each["brand"] for each in WARES.values() if "brand" in each)
    tags = Counter(tag for each in WARES.values() for tag in each.get("tags", []))
    for name, wanted in (("brand", brands), ("tags", tags)):
        counted = [(each["value"], each["count"]) for each in answer["facets"][name]]
        assert dict(counted) == wanted
        assert [count for _, count in counted] == sorted(wanted.values(), reverse=True)
    sold_out = {each["value"]: each["count"] for each in answer["facets"]["sold_out"]}
    assert sold_out == {False: 9, True: 3}
    assert len(answer["facets"]["price"]) == 14


def test_only_the_nearest_are_sorted_and_counted(
    stall: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "CANDIDATES", 5)
    for asked in ({"text": "red", "recall": 0.321}, {"image": {"id": "red-00"}, "recall": 0.321}):
        near = ids(stall, **asked)[:5]
        answer = ask(stall, **asked, sort="price", facets=["brand"])
        found = [hit["id"] for hit in answer["hits"]]
        assert found == sorted(near, key=lambda key: WARES[key]["price"])
        assert sum(each["count"] for each in answer["facets"]["brand"]) == 5


def test_a_facet_names_the_most_frequent_values(
    stall: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets_module, "MAX_VALUES", 1)
    found = ask(stall, text="red", recall=0.322, facets=["brand"])["facets"]["brand"]
    assert found == [{"value": "해솔", "count": 5}]


def test_a_facet_counts_what_else_could_be_chosen_there(stall: TestClient) -> None:
    chosen = {"brand": "눈길", "sold_out": False}
    facets = ask(stall, text="red", filter=chosen, facets=["brand", "sold_out"])["facets"]
    unsold = Counter(each["brand"] for each in WARES.values() if each.get("sold_out") is False)
    assert {each["value"]: each["count"] for each in facets["brand"]} == unsold
    ours = Counter(each["sold_out"] for each in WARES.values() if each.get("brand") == "눈길")
    assert {each["value"]: each["count"] for each in facets["sold_out"]} == ours


def test_what_is_not_relevant_is_not_counted(stall: TestClient) -> None:
    floor = ask(stall, text="red")["hits"][4]["relevance"]
    near = relevant(stall, floor)
    counted = ask(stall, text="red", min_relevance=floor, facets=["brand"])["facets"]["brand"]
    wanted = Counter(WARES[key]["brand"] for key in near if "brand" in WARES[key])
    assert {each["value"]: each["count"] for each in counted} == wanted


@pytest.mark.parametrize("sort", ["price", {"field": "price"}, {"field": "price", "order": "asc"}])
def test_sorted_hits_are_the_relevant_ones_in_that_order(stall: TestClient, sort: object) -> None:
    found = ids(stall, text="red", sort=sort)
    priced = sorted((key for key in found[:-1]), key=lambda key: WARES[key]["price"])
    assert found == [*priced, "blue"], "who has no price comes last"
    floor = ask(stall, text="red")["hits"][5]["relevance"]
    near = relevant(stall, floor)
    bounded = ids(stall, text="red", sort=sort, min_relevance=floor)
    assert bounded == sorted(near, key=lambda key: WARES[key]["price"])


def test_the_other_way_round_the_missing_are_last_too(stall: TestClient) -> None:
    found = ids(stall, text="red", sort="-price")
    assert found[0] == "red-00"
    assert found[-2:] == ["green", "blue"]


def test_equals_stay_in_the_order_of_likeness(stall: TestClient) -> None:
    everything = ids(stall, text="red")
    for sort in ("brand", "-brand"):
        found = ids(stall, text="red", sort=sort)
        for brand in ("눈길", "해솔", "Nari"):
            of_brand = [key for key in found if WARES[key].get("brand") == brand]
            assert of_brand == [key for key in everything if WARES[key].get("brand") == brand]


def test_of_a_group_the_best_is_shown(stall: TestClient) -> None:
    everything = ids(stall, text="red")
    hits = ask(stall, text="red", group_by="product")["hits"]
    wanted, seen = [], set()
    for key in everything:
        product = WARES[key].get("product", key)
        if product not in seen:
            wanted.append(key)
            seen.add(product)
    assert [hit["id"] for hit in hits] == wanted
    groups = {hit["id"]: hit["group"] for hit in hits}
    assert groups["red-00"] == {"value": "p0", "count": 1}
    assert groups["green"] == {"value": None, "count": 0}, "without the field: a group of its own"


def test_of_a_sorted_group_the_first_is_shown(stall: TestClient) -> None:
    cheapest = ids(stall, text="red", group_by="brand", sort="price")
    assert cheapest == ["green", "blue-again", "red-11", "red-09", "blue"]


def test_the_same_picture_is_shown_once(stall: TestClient) -> None:
    hits = ask(stall, text="blue", collapse_duplicates=True)["hits"]
    found = {hit["id"]: hit["duplicates"] for hit in hits}
    (first,) = found.keys() & {"blue", "blue-again"}
    assert found[first] == 1
    assert sum(found.values()) + len(found) == len(WARES), "all are shown or counted"
    plain = ask(stall, text="blue", k=1)["hits"][0]
    assert (plain["duplicates"], plain["group"]) == (None, None)


def test_diversity_brings_others_forward_and_the_best_first(stall: TestClient) -> None:
    near = ids(stall, text="red")
    varied = ids(stall, text="red", diversity=0.8)
    assert varied[0] == near[0]
    assert sorted(varied) == sorted(near)
    assert {"blue", "blue-again", "green"} & {*varied[:3]}, "reds alone are not varied"
    assert ids(stall, text="red", diversity=0.8, k=3) == varied[:3]


def test_embeddings_and_regions_can_be_asked_for(stall: TestClient) -> None:
    hits = ask(stall, text="red", k=1, include=["regions", "embedding", "attributes"])["hits"]
    assert hits[0]["region"] is None, "no picture has parts yet"
    assert hits[0]["embedding"]
    assert hits[0]["attributes"]["brand"] == "눈길"


@pytest.mark.parametrize(
    ("request_", "where"),
    [
        ({"facets": ["brand", "colour"]}, "facets.1"),
        ({"sort": "colour"}, "sort"),
        ({"group_by": "colour"}, "group_by"),
        ({"sort": "tags"}, "sort"),
        ({"group_by": "tags"}, "group_by"),
        ({"filter": {"colour": "red"}}, "filter.colour"),
        ({"filter": {"price": "cheap"}}, "filter.price"),
        ({"filter": {"price": {"gte": "cheap"}}}, "filter.price.gte"),
        ({"filter": {"any": [{"brand": "a"}, {"sold_out": 1}]}}, "filter.any.1.sold_out"),
    ],
)
def test_fields_that_do_not_fit_are_named(
    stall: TestClient, request_: dict[str, object], where: str
) -> None:
    response = post(stall, text="red", **request_)
    assert where in assert_problem(response, 422, "invalid_request")
    assert response.json()["errors"][0]["field"] == where


def test_a_name_that_is_nearly_right_is_suggested(stall: TestClient) -> None:
    assert "'brand'" in assert_problem(
        post(stall, text="red", facets=["brnd"]), 422, "invalid_request"
    )


def test_an_empty_collection_has_empty_facets(stall: TestClient) -> None:
    assert stall.post("/v1/collections", json={"name": "empty"}).status_code == 201
    url = "/v1/collections/empty/search"
    answer = stall.post(url, json={"text": "red", "facets": ["brand"], "sort": "price"}).json()
    assert (answer["hits"], answer["facets"], answer["next_cursor"]) == ([], {"brand": []}, None)


def test_equal_numbers_of_another_kind_are_another_question(stall: TestClient) -> None:
    """Python takes 1 for True: an answer that is kept for the one is none for the other."""
    assert ids(stall, text="red", filter={"sold_out": True})
    assert_problem(post(stall, text="red", filter={"sold_out": 1}), 422, "invalid_request")
