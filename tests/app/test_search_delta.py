"""A version and what changed since are searched as one: nothing doubled, lost, or out of date."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.search.finder import Finder
from app.search.page import Search
from app.search.query_vector import QueryVector
from app.search.ranking import ranked_page
from app.search.rows import Row
from app.search.schemas import SearchRequest
from app.serving.snapshot import COSINES, OpenVersion, Segments, Snapshot
from indexer.backends.faiss_index import FaissIndex
from indexer.live.changes import Changes, Space
from indexer.live.delta import Delta
from indexer.versions.manifest import Manifest

DIM = 16
LIMIT = 1_000

Truth = dict[int, np.ndarray]
Step = tuple[dict[int, int], set[int]]
"""Images that are put, with the seed of their vector; and images that are deleted."""

ids = st.integers(0, 40)
steps = st.lists(st.tuples(st.dictionaries(ids, st.integers(0, 9)), st.sets(ids)), max_size=6)


def vector(seed: int) -> np.ndarray:
    row = np.random.default_rng(seed).normal(size=DIM)
    return (row / np.linalg.norm(row)).astype(np.float16)


def indexed(truth: Truth) -> FaissIndex:
    held = sorted(truth)
    vectors = np.array([truth[image] for image in held], np.float16).reshape(-1, DIM)
    return FaissIndex(None, vectors, np.array(held, np.int64), None)


def changes(number: int, put: Truth, deleted: set[int]) -> Changes:
    return Changes(
        change_number=number,
        ids=np.array([*put], np.int64),
        vectors=np.array([*put.values()], np.float16).reshape(-1, DIM),
        from_api=np.ones(len(put), bool),
        deleted=np.array(sorted(deleted), np.int64),
        changed=None,
        waiting=0,
        left_out=0,
    )


def segments(main: FaissIndex | None, delta: Delta) -> Segments:
    manifest = Manifest.model_construct()
    version = None if main is None else OpenVersion(1, "v", manifest, main)
    return Segments(Space(1, "f", DIM), version, delta, None, COSINES)


def rows_of(truth: Truth, images: Sequence[int]) -> dict[int, Row]:
    """Of those that exist."""
    return {image: Row(image, str(image), "", "", 1, 1, None) for image in images if image in truth}


def found(
    searched: Segments,
    truth: Truth,
    query: np.ndarray,
    k: int,
    shown: frozenset[int] = frozenset(),
) -> list[tuple[int, float]]:
    embedding = query.astype(np.float32)[None]
    embedding /= np.linalg.norm(embedding)
    asked = QueryVector(embedding, "image", COSINES.image)
    collection = Snapshot.__new__(Snapshot)
    object.__setattr__(collection, "segments", searched)
    request = SearchRequest(text="-", recall=1.0)
    finder = Finder(Search(collection, request, asked, None, shown))
    ranked = finder.find(k, lambda images: rows_of(truth, images))
    return [(row.image_id, score) for row, score, _ in ranked]


def cosine(one: np.ndarray, query: np.ndarray) -> float:
    unit = query.astype(np.float32) / np.linalg.norm(query.astype(np.float32))
    return float(one.astype(np.float32) @ unit)


@settings(max_examples=150, deadline=None)
@given(start=st.dictionaries(ids, st.integers(0, 9)), steps=steps, k=st.integers(1, 45))
def test_any_sequence_of_changes_is_searched_as_the_truth_is(
    start: dict[int, int], steps: list[Step], k: int
) -> None:
    truth = {image: vector(seed) for image, seed in start.items()}
    main, gone = indexed(truth), set[int]()
    delta = Delta.empty(DIM, 0, main)
    query = vector(99)
    for number, (put, deleted) in enumerate(steps):
        now = {image: vector(seed) for image, seed in put.items() if image not in gone}
        buried = {image for image in deleted if image in truth or image in now}
        gone |= buried  # a deleted image's id never comes back
        delta = delta.with_changes(changes(number, now, buried), LIMIT)
        truth = {image: row for image, row in (truth | now).items() if image not in gone}
        searched = segments(main, delta)
        hits = found(searched, truth, query, k)
        wanted = sorted((cosine(row, query) for row in truth.values()), reverse=True)[:k]
        assert np.allclose([score for _, score in hits], wanted, atol=1e-5)
        assert len({image for image, _ in hits}) == len(hits)
        assert all(abs(score - cosine(truth[image], query)) < 1e-5 for image, score in hits)


def test_where_most_changed_the_rest_is_found_all_the_same() -> None:
    """The version is asked for more than was wanted, until it has no more."""
    truth = {image: vector(image) for image in range(400)}
    main = indexed(truth)
    query = vector(7)
    nearest = sorted(truth, key=lambda image: -cosine(truth[image], query))
    gone = {*nearest[:390]}
    delta = Delta.empty(DIM, 0, main).with_changes(changes(1, {}, gone), LIMIT)
    left = {image: row for image, row in truth.items() if image not in gone}
    assert [image for image, _ in found(segments(main, delta), left, query, 5)] == nearest[390:395]


def test_what_was_deleted_a_moment_ago_is_passed_over() -> None:
    """Its row is gone before anyone heard of it."""
    truth = {image: vector(image) for image in range(100)}
    query = vector(3)
    nearest = sorted(truth, key=lambda image: -cosine(truth[image], query))
    searched = segments(None, Delta.empty(DIM, 0).with_changes(changes(1, truth, set()), LIMIT))
    left = {image: row for image, row in truth.items() if image not in nearest[:60]}
    assert [image for image, _ in found(searched, left, query, 5)] == nearest[60:65]


def test_no_cosine_is_greater_than_one() -> None:
    """A vector that was rounded to float16 may be longer than 1."""
    truth = {image: vector(image) for image in range(50)}
    longest = max(truth, key=lambda image: float(np.linalg.norm(truth[image].astype(np.float32))))
    query = truth[longest]
    assert cosine(query, query) > 1
    main = indexed(truth)
    added = Delta.empty(DIM, 0).with_changes(changes(1, truth, set()), LIMIT)
    for searched in (segments(main, Delta.empty(DIM, 0, main)), segments(None, added)):
        assert found(searched, truth, query, 1) == [(longest, 1.0)]


def test_what_was_deleted_a_moment_ago_stands_for_no_other() -> None:
    """A group whose best image is gone is shown by its next; nothing is short of k."""
    truth = {image: vector(image) for image in range(60)}
    query = vector(3)
    nearest = sorted(truth, key=lambda image: -cosine(truth[image], query))
    put = replace(
        changes(1, truth, set()), attributes={image: {"group": image % 6} for image in truth}
    )
    searched = segments(None, Delta.empty(DIM, 0).with_changes(put, LIMIT))
    left = {image: row for image, row in truth.items() if image not in nearest[:20]}
    collection = Snapshot.__new__(Snapshot)
    object.__setattr__(collection, "segments", searched)
    request = SearchRequest(text="-", recall=1.0, group_by="group", k=6)
    asked = QueryVector(query.astype(np.float32)[None], "image", COSINES.image)
    page = ranked_page(
        Search(collection, request, asked, None, frozenset()),
        lambda images: rows_of(left, images),
    )
    best = {
        group: next(image for image in nearest if image in left and image % 6 == group)
        for group in range(6)
    }
    assert {*page.images} == {*best.values()}
    assert not page.has_next
