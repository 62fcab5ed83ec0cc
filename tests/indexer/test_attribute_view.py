"""Images are filtered, counted and sorted by what is known of them now, wherever they lie."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.attributes import Attributes
from indexer.backends.faiss_index import FaissIndex
from indexer.columns.arrow import columns_of
from indexer.columns.collect import collect
from indexer.columns.columns import Columns
from indexer.columns.filters import parse_filter
from indexer.errors import BadFilter, Rejected
from indexer.live import overlay
from indexer.live.attribute_view import AttributeView
from indexer.live.changes import Changes
from indexer.live.delta import Delta
from indexer.live.nearest import nearest
from tests.indexer.columns.judge import NAMES, attributes, filters, passes

DIM = 8
LIMIT = 1_000


@dataclass(frozen=True)
class Known:
    vector: np.ndarray
    attributes: Attributes


def vector(seed: int) -> np.ndarray:
    row = np.random.default_rng(seed).normal(size=DIM)
    return (row / np.linalg.norm(row)).astype(np.float16)


known = st.builds(Known, st.integers(0, 9).map(vector), attributes)
images = st.dictionaries(st.integers(0, 15), known, max_size=10)
steps = st.lists(st.tuples(images, st.sets(st.integers(0, 15), max_size=2)), max_size=4)


def beside(held: dict[int, Known]) -> Delta:
    """A version of those images, and nothing that changed."""
    ids = sorted(held)
    vectors = np.array([held[image].vector for image in ids], np.float16).reshape(-1, DIM)
    index = FaissIndex(None, vectors, np.array(ids, np.int64), None)
    batch = collect(held[image].attributes for image in ids)
    return Delta.empty(DIM, 0, index, columns_of(batch, len(ids)))


def changed(put: dict[int, Known], deleted: set[int] = frozenset()) -> Changes:
    return Changes(
        change_number=1,
        ids=np.array([*put], np.int64),
        vectors=np.array([each.vector for each in put.values()], np.float16).reshape(-1, DIM),
        from_api=np.ones(len(put), bool),
        deleted=np.array(sorted(deleted), np.int64),
        changed=None,
        waiting=0,
        left_out=0,
        attributes={image: each.attributes for image, each in put.items()},
    )


def selected(delta: Delta, raw: dict[str, object]) -> list[int]:
    selection = AttributeView(delta).select(parse_filter(raw))
    found = delta.index.ids[selection.delta].tolist()
    if delta.main is not None:
        found += delta.main.ids[selection.main].tolist()
    assert selection.count == len(found)
    return sorted(found)


@settings(max_examples=150, deadline=None)
@given(
    start=st.none() | images,
    steps=steps,
    raw=filters,
    recent=st.sampled_from([0, 3, 256]),
    k=st.integers(1, 12),
)
def test_any_filter_after_any_changes_is_judged_by_what_is_known_now(
    start: dict[int, Known] | None,
    steps: list[tuple[dict[int, Known], set[int]]],
    raw: dict[str, object],
    recent: int,
    k: int,
) -> None:
    delta = Delta.empty(DIM, 0) if start is None else beside(start)
    truth, gone = dict(start or {}), set[int]()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(overlay, "_FEWEST_RECENT", recent)  # so that parts are merged, or not
        for put, deleted in steps:
            now = {image: each for image, each in put.items() if image not in gone}
            buried = deleted & (truth.keys() | now.keys())
            gone |= buried
            delta = delta.with_changes(changed(now, buried), LIMIT)
            truth = {image: each for image, each in (truth | now).items() if image not in gone}
    wanted = parse_filter(raw)
    passing = sorted(image for image, each in truth.items() if passes(wanted, each.attributes))
    assert selected(delta, raw) == passing

    view, query = AttributeView(delta), vector(99).astype(np.float32)[None]
    query /= np.linalg.norm(query)
    ids, cosines, _ = nearest(delta.main, delta, query, k, 1.0, "image", view.select(wanted))
    scores = {image: float(truth[image].vector.astype(np.float32) @ query[0]) for image in passing}
    assert np.allclose(cosines, sorted(scores.values(), reverse=True)[:k], atol=1e-5)
    assert all(abs(scores[image] - score) < 1e-5 for image, score in zip(ids, cosines, strict=True))

    asked = np.array([*truth, 10**6], np.int64)
    for name in NAMES:
        values = [each.attributes.get(name) for each in truth.values()]
        assert view.values(asked, name) == [*values, None]
        counts = Counter(
            text
            for value in values
            if value is not None
            for text in ({*value} if isinstance(value, list) else [value])
        )
        assert dict(view.facet(asked, name, 100)) == counts


def shop() -> Delta:
    return beside(
        {
            1: Known(vector(1), {"brand": "눈길", "price": 10, "day": "2024-01-31", "sold": True}),
            2: Known(vector(2), {"brand": "나이키", "tags": ["a"]}),
        }
    )


@pytest.mark.parametrize(
    ("raw", "where", "says"),
    [
        ({"brnd": "눈길"}, "filter.brnd", "did you mean 'brand'"),
        ({"colour": "red"}, "filter.colour", "names no field"),
        ({"price": {"gte": "cheap"}}, "filter.price.gte", "is a text, and 'price' is a number"),
        ({"price": ["1"]}, "filter.price", "is a text, and 'price' is a number"),
        ({"brand": True}, "filter.brand", "is a bool, and 'brand' is a text"),
        ({"any": [{"sold": {"gt": 1}}]}, "filter.any.0.sold.gt", "asks for an order"),
        ({"tags": {"lt": "b"}}, "filter.tags.lt", "asks for an order"),
        ({"day": {"gte": "soon"}}, "filter.day.gte", "is no date, and 'day' is a date"),
    ],
)
def test_what_does_not_fit_the_fields_is_refused_by_its_place(
    raw: dict[str, object], where: str, says: str
) -> None:
    with pytest.raises(BadFilter) as refused:
        AttributeView(shop()).check(parse_filter(raw))
    assert refused.value.where == where
    assert says in refused.value.detail


def test_a_field_that_nothing_but_a_change_has_is_known() -> None:
    delta = shop().with_changes(changed({7: Known(vector(7), {"size": 40})}), LIMIT)
    assert AttributeView(delta).fields["size"] == "number"
    assert selected(delta, {"size": 40}) == [7]


def test_a_date_is_one_as_long_as_all_its_texts_are() -> None:
    delta = shop()
    assert AttributeView(delta).fields["day"] == "date"
    patched = delta.with_changes(changed({1: Known(vector(1), {"day": "soon"})}), LIMIT)
    assert AttributeView(patched).fields["day"] == "text"
    assert selected(patched, {"day": "soon"}) == [1]


def test_a_value_of_another_kind_counts_as_missing_until_it_is_the_fields() -> None:
    delta = shop().with_changes(changed({1: Known(vector(1), {"price": "dear"})}), LIMIT)
    assert AttributeView(delta).fields["price"] == "number"
    assert selected(delta, {"price": {"exists": False}}) == [1, 2]


def test_a_write_of_another_kind_is_refused() -> None:
    view = AttributeView(shop())
    view.require_kinds({"price": 1.5, "day": "tomorrow", "new": [], "tags": ["b"]})
    with pytest.raises(Rejected, match="'price' is a text here and a number in the collection"):
        view.require_kinds({"price": "1.5"})


def test_an_index_of_an_earlier_edition_says_that_it_is_one() -> None:
    """Rather than that the fields, which everybody sees, are not there."""
    main = shop().main
    assert main is not None
    delta = Delta.empty(DIM, 0, main, Columns(main.count, {}, is_kept=False))
    assert AttributeView(delta).fields == {}
    with pytest.raises(BadFilter, match="reindex the collection"):
        AttributeView(delta).check(parse_filter({"brand": "눈길"}))


def test_the_most_frequent_values_come_first() -> None:
    rows = {
        n: Known(vector(n), {"brand": "b" if n % 3 else "a", "tags": ["x", "y"]}) for n in range(9)
    }
    view = AttributeView(beside(rows))
    assert view.facet(np.arange(9), "brand", 5) == [("b", 6), ("a", 3)]
    assert view.facet(np.arange(9), "tags", 1) == [("x", 9)], "equal ones by their order"
    assert view.facet(np.arange(9), "none", 5) == []
