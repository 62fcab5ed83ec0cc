"""The greedy choice is what its definition, written out, chooses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.search.reranking import Pick, Reranking, Rules
from indexer.versions.relevance import Background

COSINE = Background(reached=[0.0, 0.25, 0.5, 0.75, 1.0])
DIM = 4


def unit_rows(count: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def by_definition(
    relevances: list[float],
    groups: list[int],
    vectors: NDArray[np.float32],
    rules: Rules,
    before: NDArray[np.float32],
    k: int,
) -> list[Pick]:
    cosine = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    limit = 2.0 if rules.duplicate_at is None else rules.duplicate_at
    to_shown = [max((vector @ before.T).tolist(), default=-1.0) for vector in vectors]
    left = [place for place in range(len(groups)) if to_shown[place] < limit]
    picks: list[Pick] = []
    while left and len(picks) < k:

        def worth(place: int) -> float:
            likeness = [to_shown[place], *(float(cosine[place][one.place]) for one in picks)]
            most = min(1.0, max(0.0, *likeness))
            return (1 - rules.diversity) * relevances[place] - rules.diversity * most

        best = (
            max(left, key=lambda place: (round(worth(place), 5), -place))
            if rules.diversity
            else left[0]
        )
        others = [place for place in left if groups[place] != groups[best]]
        same = [place for place in others if cosine[best][place] >= limit]
        picks.append(Pick(best, groups.count(groups[best]) - 1, len(same)))
        left = [place for place in others if place not in same]
    return picks


@settings(max_examples=200, deadline=None)
@given(
    groups=st.lists(st.integers(0, 8), min_size=1, max_size=25),
    shown=st.integers(0, 3),
    diversity=st.sampled_from([0.0, 0.3, 0.7, 1.0]),
    duplicate_at=st.sampled_from([None, 0.8]),
    seed=st.integers(0, 1000),
    k=st.integers(1, 30),
)
def test_the_choice_is_the_greedy_one(
    groups: list[int], shown: int, diversity: float, duplicate_at: float | None, seed: int, k: int
) -> None:
    rules = Rules(diversity, COSINE, duplicate_at)
    relevances = np.sort(np.random.default_rng(seed).random(len(groups)))[::-1].round(4)
    vectors, before = unit_rows(len(groups), seed), unit_rows(shown, seed + 1)
    reranking = Reranking(relevances, np.array(groups), vectors, rules)
    reranking.begin_after(before)
    wanted = by_definition(relevances.tolist(), groups, vectors, rules, before, k)
    assert reranking.take(k) == wanted


@pytest.mark.parametrize("k", [10, 100])
def test_a_page_at_a_time_is_all_at_once(k: int) -> None:
    """Beyond 64 hits the likeness of all to all is worked out at once."""
    rules = Rules(0.5, COSINE, None)
    vectors = unit_rows(200, 0)
    relevances = np.linspace(1, 0, 200)
    groups = np.arange(200)
    whole = Reranking(relevances, groups, vectors, rules).take(200)
    parts = Reranking(relevances, groups, vectors, rules)
    paged = [pick for _ in range(0, 200, k) for pick in parts.take(k)]
    assert paged == whole
    assert not parts.has_more


def test_full_diversity_begins_with_the_most_relevant() -> None:
    rules = Rules(1.0, COSINE, None)
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    picks = Reranking(np.array([0.9, 0.8, 0.1]), np.arange(3), vectors, rules).take(3)
    assert [pick.place for pick in picks] == [0, 2, 1]
