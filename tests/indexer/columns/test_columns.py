"""Columns answer filters, facets and sorting as the attributes themselves would."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.attributes import Attributes
from indexer.columns.arrow import columns_of, map_columns, summaries, write_columns
from indexer.columns.collect import collect, merged
from indexer.columns.columns import Columns
from indexer.columns.filters import parse_filter
from tests.indexer.columns.judge import NAMES, attributes, filters, passes


def columns(rows: list[Attributes]) -> Columns:
    return columns_of(collect(rows), len(rows))


def values(held: Columns, name: str) -> list[Any]:
    rows = np.arange(held.count)
    return held.fields[name].at(rows) if name in held.fields else [None] * held.count


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(attributes, max_size=12), raw=filters)
def test_any_filter_of_any_images_is_judged_as_one_would(
    rows: list[Attributes], raw: dict[str, object]
) -> None:
    wanted = parse_filter(raw)
    assert columns(rows).matching(wanted).tolist() == [passes(wanted, row) for row in rows]


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(attributes, max_size=12))
def test_what_was_collected_is_read_back(rows: list[Attributes]) -> None:
    held = columns(rows)
    for name in NAMES:
        assert values(held, name) == [row.get(name) for row in rows]
        counts = Counter(
            text
            for row in rows
            if name in row
            for text in ({*row[name]} if isinstance(row[name], list) else [row[name]])
        )
        if name in held.fields:
            assert dict(held.fields[name].counted_at(np.arange(len(rows)))) == counts


@settings(max_examples=100, deadline=None)
@given(
    older=st.lists(st.tuples(attributes, st.booleans()), max_size=8),
    newer=st.lists(attributes, max_size=8),
    random=st.randoms(use_true_random=False),
)
def test_merged_tables_hold_what_theirs_held(
    older: list[tuple[Attributes, bool]], newer: list[Attributes], random: Any
) -> None:
    kept = [row for row, is_kept in older if is_kept] + newer
    places = random.sample(range(len(kept)), len(kept))
    free = iter(places)
    of_older = np.array([next(free) if is_kept else -1 for _, is_kept in older], np.int64)
    of_newer = np.array([*free], np.int64)
    whole = merged((collect([row for row, _ in older]), of_older), (collect(newer), of_newer))
    held = columns_of(whole, len(kept))
    for name in NAMES:
        found = values(held, name)
        assert [found[place] for place in places] == [row.get(name) for row in kept]


def test_a_file_is_read_where_it_lies(tmp_path: Path) -> None:
    rows: list[Attributes] = [{"price": n, "colour": f"c{n % 300}"} for n in range(1_000)]
    write_columns(tmp_path / "a.arrow", collect(rows))
    held = map_columns(tmp_path / "a.arrow", 1_000)
    assert values(held, "price") == [row["price"] for row in rows]
    assert values(held, "colour") == [row["colour"] for row in rows]
    assert not held.fields["price"].values.flags.owndata
    with pytest.raises(ValueError, match="holds 1000 images"):
        map_columns(tmp_path / "a.arrow", 999)


def test_more_images_than_are_packed_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.columns.collect._CHUNK", 7)
    rows: list[Attributes] = [
        {"word": f"{n * 37 % 101}", "tags": [f"{n}", "all"], "price": n / 2, "even": n % 2 == 0}
        for n in range(100)
    ]
    held = columns(rows)
    for name in ("word", "tags", "price", "even"):
        assert values(held, name) == [row[name] for row in rows]


def test_a_field_is_of_the_kind_of_the_first_image_that_has_it() -> None:
    """What is of another kind counts as missing, and the operator can see how many are."""
    batch = collect([{}, {"size": 40}, {"size": "L"}, {"size": True}, {"size": 41.5}])
    held = columns_of(batch, 5)
    assert values(held, "size") == [None, 40, None, None, 41.5]
    assert (summaries(batch)["size"].kind, summaries(batch)["size"].other_kind) == ("number", 2)


def test_a_field_of_dates_alone_is_a_date() -> None:
    dates = collect([{"day": "2024-01-31"}, {"day": "2024-02-01T10:00:00+00:00"}])
    assert summaries(dates)["day"].kind == "date"
    assert summaries(collect([{"day": "2024-01-31"}, {"day": "soon"}]))["day"].kind == "text"


def test_whole_numbers_stay_whole() -> None:
    """Ids of 19 digits are numbers too."""
    held = columns([{"id": 2**63 - 1}, {"id": 2**63 - 2}, {"id": 3.0}])
    assert values(held, "id") == [2**63 - 1, 2**63 - 2, 3]
    assert held.matching(parse_filter({"id": 2**63 - 2})).tolist() == [False, True, False]
    assert held.matching(parse_filter({"id": {"gt": 2.5}})).tolist() == [True, True, True]
    assert held.matching(parse_filter({"id": {"lt": 3.5}})).tolist() == [False, False, True]


def test_more_texts_than_are_kept_as_pythons_own() -> None:
    held = columns([{"key": f"k{n:05}"} for n in range(11_000)])
    wanted = parse_filter({"key": {"in": [f"k{n:05}" for n in range(0, 900, 2)] + ["none"]}})
    assert np.flatnonzero(held.matching(wanted)).tolist() == [*range(0, 900, 2)]
    later = parse_filter({"key": {"gte": "k10998"}})
    assert np.flatnonzero(held.matching(later)).tolist() == [10_998, 10_999]


def test_nulls_are_nulls_to_any_reader_of_arrow(tmp_path: Path) -> None:
    write_columns(tmp_path / "a.arrow", collect([{"colour": "red"}, {}, {"tags": ["a"]}]))
    with pa.memory_map(str(tmp_path / "a.arrow")) as file:
        found = pa.ipc.open_file(file).read_all().to_pylist()
    assert found == [
        {"colour": "red", "tags": None},
        {"colour": None, "tags": None},
        {"colour": None, "tags": ["a"]},
    ]
