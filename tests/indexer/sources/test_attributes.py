"""Attributes: what is stored can be filtered, sorted and counted, and nothing else is stored."""

import json
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.attributes import MAX_BYTES, MAX_FIELDS, FieldKinds, iso, kind_of, normalised
from indexer.errors import Rejected, RejectReason

SEOUL = timezone(timedelta(hours=9))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def refusal(raw: dict[str, object]) -> str:
    with pytest.raises(Rejected) as caught:
        normalised(raw)
    assert caught.value.reason is RejectReason.BAD_ATTRIBUTES
    return caught.value.detail


def test_values_keep_their_types() -> None:
    raw = {
        "이름": "빨간 운동화",
        "price": 39000,
        "weight": Decimal("0.25"),
        "sold_out": False,
        "tags": ["신발", "shoes"],
        "nothing": None,
        "가격 (원)": 2**53 + 1,
    }
    found = normalised(raw)
    assert found == {name: value for name, value in raw.items() if value is not None}
    assert [kind_of(value) for value in found.values()] == [
        "text", "number", "number", "bool", "list", "number",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given_", "stored"),
    [
        ("2024-01-05", "2024-01-05"),
        ("2024-01-05T10:00:00+09:00", "2024-01-05T01:00:00+00:00"),
        ("2024-01-05 10:00", "2024-01-05T10:00:00"),
        ("2024-01-05T10:00:00.123456789Z", "2024-01-05T10:00:00.123456+00:00"),
        (date(2024, 1, 5), "2024-01-05"),
        (datetime(2024, 1, 5, 10, tzinfo=SEOUL), "2024-01-05T01:00:00+00:00"),
        ("2024-02-30", "2024-02-30"),
        ("2024-01-05 세일", "2024-01-05 세일"),
        ("0001-01-01T00:00:00+09:00", "0001-01-01T00:00:00+09:00"),
        (normalize("NFD", "눈길 Émile"), "눈길 Émile"),
        ([normalize("NFD", "신상"), "2024-01-05 10:00"], ["신상", "2024-01-05T10:00:00"]),
    ],
)
def test_texts_that_mean_the_same_are_stored_in_one_form(given_: object, stored: object) -> None:
    assert normalised({"at": given_}) == {"at": stored}


@given(st.lists(st.datetimes(timezones=st.sampled_from([UTC, SEOUL])), min_size=2))
def test_times_sort_as_texts_do(moments: list[datetime]) -> None:
    usable = [moment for moment in moments if iso(moment.isoformat()) is not None]
    texts = [iso(moment.isoformat()) or "" for moment in usable]
    assert sorted(texts) == [iso(moment.isoformat()) for moment in sorted(usable)]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"a": float("nan")}, "not finite"),
        ({"a": Decimal("1e400")}, "not finite"),
        ({"a": 2**63}, "64 bits"),
        ({"a": {"b": 1}}, "flat"),
        ({"a": [1]}, "list"),
        ({"a": [["b"]]}, "list"),
        ({"a": b"bytes"}, "bytes"),
        ({"a": "half \ud83d"}, "half"),
        ({"a": "nul \0"}, "NUL"),
        ({"any": 1}, "filters"),
        ({"": 1}, "cannot name"),
        ({"x" * 65: 1}, "cannot name"),
        ({"a'b": 1}, "cannot name"),
        ({"$.a": 1}, "cannot name"),
        ({"\u1100\u1161": 1, "가": 2}, "equal in NFC"),
        ({f"f{number}": 1 for number in range(MAX_FIELDS + 1)}, "at most"),
        ({"a": "가" * (MAX_BYTES // 3)}, "bytes"),
    ],
)
def test_what_cannot_be_filtered_is_refused_by_name(raw: dict[str, object], said: str) -> None:
    assert said in refusal(raw)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_whatever_json_holds_is_stored_or_refused(raw: dict[str, object]) -> None:
    with suppress(Rejected):
        found = normalised(raw)
        assert normalised(found) == found
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()


def test_a_field_keeps_the_kind_it_had_first() -> None:
    kinds = FieldKinds()
    kinds.require({"price": 1, "tags": ["a"]})
    kinds.require({"price": 1.5, "tags": []})
    with pytest.raises(Rejected, match="'price' is a text here and a number before"):
        kinds.require({"new": True, "price": "cheap"})
    kinds.require({"new": "of a row that was refused, and counts for nothing"})


def test_the_kinds_of_endless_fields_are_not_kept() -> None:
    kinds = FieldKinds()
    for number in range(1000):
        kinds.require({f"f{number}": 1})
    with pytest.raises(Rejected, match="different fields"):
        kinds.require({"one more": 1})
