"""A search of the rows that a filter leaves finds what is nearest of these, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.backends import filtered
from indexer.backends.faiss_index import FaissIndex
from indexer.backends.opening import open_version
from indexer.building.ground_truth import recall_at
from indexer.building.index_spec import IndexFamily
from indexer.building.places import BuildOptions
from tests.indexer.versions import build, ids_of, made_from, one_thread, pictures, texts

COUNT = 12_000
QUERIES = pictures(40, seed=5)
FAMILIES = (IndexFamily.IVF_PQ, IndexFamily.IVF_PQ8, IndexFamily.IVF_RABITQ, IndexFamily.IVF_SQ8)


def exact(count: int, dim: int) -> FaissIndex:
    return FaissIndex(None, pictures(count, dim).astype(np.float16), ids_of(count), None)


def brute_force(index: FaissIndex, query: np.ndarray, among: np.ndarray, k: int) -> np.ndarray:
    rows = np.flatnonzero(among)
    scores = index.vectors[rows].astype(np.float32) @ query
    return index.ids[rows[np.argsort(-scores, kind="stable")[:k]]]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), count=st.integers(1, 60), k=st.integers(1, 70))
def test_exact_search_is_that_of_brute_force(data: st.DataObject, count: int, k: int) -> None:
    index = exact(count, 8)
    among = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    queries = pictures(3, 8, seed=1)
    found = index.search(queries, k, 0.95, "image", among)
    for query, ids, scores in zip(queries, found.ids, found.scores, strict=True):
        wanted = brute_force(index, query, among, k)
        assert ids[: len(wanted)].tolist() == wanted.tolist()
        assert set(ids[len(wanted) :].tolist()) <= {-1}
        assert np.isneginf(scores[len(wanted) :]).all()


def test_many_rows_that_pass_are_picked_rather_than_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index, among = exact(500, 16), np.arange(500) % 3 == 0
    queries = pictures(2, 16, seed=1)
    copied = index.search(queries, 10, 0.95, "text", among)
    monkeypatch.setattr(filtered, "_GATHERED", 10)
    picked = index.search(queries, 10, 0.95, "text", among)
    assert copied.ids.tolist() == picked.ids.tolist()
    assert np.allclose(copied.scores, picked.scores, atol=1e-6)


@pytest.fixture(scope="module", params=FAMILIES)
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FaissIndex:
    source = made_from(pictures(COUNT), request.param, floor=0.0)
    return open_version(build(tmp_path_factory.mktemp("version"), source))[1]


def next_to(index: FaissIndex, share: float) -> np.ndarray:
    """The rows that are nearest to one of them: a category that is like itself."""
    scores = np.asarray(index.vectors, np.float32) @ index.vectors[7].astype(np.float32)
    return scores >= np.quantile(scores, 1 - share)


@pytest.mark.parametrize("share", [0.5, 0.05, 0.005])
@pytest.mark.parametrize("is_random", [True, False])
@pytest.mark.parametrize("probes", [True, False])
def test_an_index_reaches_its_recall_on_what_passes(
    index: FaissIndex,
    share: float,
    is_random: bool,
    probes: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether the lists are probed or each row is scored, which is chosen by what either costs."""
    monkeypatch.setattr(filtered, "GATHERED_NS", 1e9 if probes else 0.0)
    random = np.random.default_rng(3)
    among = random.random(COUNT) < share if is_random else next_to(index, share)
    queries = np.concatenate([QUERIES, pictures(5)])
    with one_thread():
        found = np.concatenate(
            [index.search(query[None], 10, 0.99, "image", among).ids for query in queries]
        )
    wanted = np.array([brute_force(index, query, among, 10) for query in queries])
    assert np.isin(found, index.ids[among]).all()
    assert recall_at(found, wanted) >= 0.95


def test_fewer_that_pass_than_are_asked_for_are_all_found(index: FaissIndex) -> None:
    among = np.zeros(COUNT, bool)
    among[::4_000] = True
    with one_thread():
        found = index.search(QUERIES[:1], 10, 0.9, "image", among)
    assert sorted(found.ids[0, :3].tolist()) == index.ids[::4_000].tolist()
    assert (found.ids[0, 3:] == -1).all()


def test_a_filter_that_leaves_all_or_nothing(index: FaissIndex) -> None:
    with one_thread():
        plain = index.search(QUERIES, 10, 0.9, "image")
        whole = index.search(QUERIES, 10, 0.9, "image", np.ones(COUNT, bool))
        nothing = index.search(QUERIES, 10, 0.9, "image", np.zeros(COUNT, bool))
    assert whole.ids.tolist() == plain.ids.tolist()
    assert (nothing.ids == -1).all()


def test_lists_that_lie_on_disk_are_filtered_too(tmp_path: Path) -> None:
    source = made_from(pictures(COUNT), IndexFamily.IVF_PQ8, floor=0.0)
    folder = build(tmp_path, source, BuildOptions(bytes_per_vector=24, memory_bytes=400_000))
    opened = open_version(folder)[1]
    among = np.arange(COUNT) % 2 == 0
    with one_thread():
        found = opened.search(texts(1), 20, 0.9, "text", among)
    assert np.isin(found.ids, opened.ids[among]).all()
