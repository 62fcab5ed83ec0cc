"""A filter is read as it was meant, or refused by its place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.columns.filters import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_VALUES,
    AllOf,
    Condition,
    Filter,
    Not,
    conditions,
    lifted,
    parse_filter,
)
from indexer.errors import BadFilter
from tests.indexer.columns.judge import attributes, filters, passes


def one(raw: dict[str, object]) -> Condition:
    found = parse_filter(raw)
    assert isinstance(found, Condition)
    return found


def test_the_three_forms_of_a_condition() -> None:
    assert one({"brand": "눈길"}) == one({"brand": {"eq": "눈길"}}) == one({"brand": ["눈길"]})
    assert one({"brand": ["a", "b"]}) == one({"brand": {"in": ["a", "b"]}})
    assert parse_filter({"brand": {"ne": "a"}}) == Not(one({"brand": "a"}))
    assert parse_filter({"brand": {"exists": False}}) == Not(one({"brand": {"exists": True}}))


def test_what_an_object_says_holds_all_at_once() -> None:
    price = parse_filter({"price": {"gte": 1, "lt": 5}})
    assert isinstance(price, AllOf)
    assert [(each.operator, each.values) for each in conditions(price)] == [
        ("gte", (1,)),
        ("lt", (5,)),
    ]
    assert parse_filter({"all": [{"a": 1}, {"all": [{"b": 2}]}]}) == parse_filter({"a": 1, "b": 2})
    assert passes(parse_filter({}), {})


def test_names_and_texts_are_taken_in_the_form_in_which_they_are_stored() -> None:
    decomposed = "\u1100\u1161\u1100\u1167\u11a8"
    assert one({decomposed: decomposed}) == one({"가격": "가격"})
    assert one({"day": "2024-01-31T09:00:00+09:00"}).values == ("2024-01-31T00:00:00+00:00",)
    assert one({"day": "2024-01-31"}).values == ("2024-01-31",)


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"a": 1}
    for _ in range(depth - 1):
        inner = {"not": inner}
    return inner


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        ({"price": {"gte": None}}, "filter.price.gte"),
        ({"price": None}, "filter.price"),
        ({"price": {}}, "filter.price"),
        ({"price": {"above": 1}}, "filter.price.above"),
        ({"price": {"gt": True}}, "filter.price.gt"),
        ({"price": {"gt": [1]}}, "filter.price.gt"),
        ({"price": {"in": 1}}, "filter.price.in"),
        ({"price": float("nan")}, "filter.price"),
        ({"price": 2**63}, "filter.price"),
        ({"price": {"exists": "yes"}}, "filter.price.exists"),
        ({"brand": ["a", {"b": 1}]}, "filter.brand.1"),
        ({"brand": "\ud800"}, "filter.brand"),
        ({"any": {"a": 1}}, "filter.any"),
        ({"any": [{"a": 1}, "b"]}, "filter.any.1"),
        ({"not": [{"a": 1}]}, "filter.not"),
        ({"not": {"any": [{"$where": 1}]}}, "filter.not.any.0.$where"),
        ({"": 1}, "filter."),
        ({"a": list(range(MAX_VALUES + 1))}, "filter.a"),
        ({"any": [{"a": 1}] * (MAX_CONDITIONS + 1)}, f"filter.any.{MAX_CONDITIONS}.a"),
        (nested(MAX_DEPTH + 1), "filter" + ".not" * MAX_DEPTH),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_place(raw: dict[str, object], where: str) -> None:
    with pytest.raises(BadFilter) as refused:
        parse_filter(raw)
    assert refused.value.where == where


def test_as_much_as_is_allowed_is_read() -> None:
    parse_filter(nested(MAX_DEPTH))
    parse_filter({"any": [{"a": 1}] * MAX_CONDITIONS})
    parse_filter({"a": list(range(MAX_VALUES))})


def test_a_place_that_cannot_be_encoded_is_shown_all_the_same() -> None:
    with pytest.raises(BadFilter) as refused:
        parse_filter({"\ud800\n": 1})
    assert refused.value.where.encode().isascii()
    assert "\n" not in refused.value.where


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(raw=st.dictionaries(st.sampled_from(["any", "all", "not", "price"]) | st.text(), _JSON))
def test_any_json_is_a_filter_or_is_refused(raw: dict[str, object]) -> None:
    try:
        parse_filter(raw)
    except BadFilter as refused:
        assert str(refused).encode()  # noqa: PT017 - it may as well not be raised


def test_what_is_asked_of_a_field_alone_is_lifted() -> None:
    """What else may be chosen of it, beside what is chosen of others."""
    whole = parse_filter(
        {
            "brand": {"ne": "c"},
            "price": {"lt": 5},
            "all": [{"brand": ["a", "b"]}],
            "any": [{"brand": "a"}, {"colour": "red"}],
        }
    )
    rest = parse_filter({"price": {"lt": 5}, "any": [{"brand": "a"}, {"colour": "red"}]})
    assert lifted(whole, "brand") == rest
    assert lifted(whole, "other") == whole
    assert lifted(parse_filter({"any": [{"brand": "a"}, {"brand": "b"}]}), "brand") is None


@given(raw=filters, image=attributes)
def test_what_passes_passes_when_something_is_lifted(raw: dict[str, Any], image: Any) -> None:
    whole = parse_filter(raw)
    for name in ("colour", "price", "tags"):
        rest: Filter | None = lifted(whole, name)
        assert rest is None or not passes(whole, image) or passes(rest, image)
