"""Images that are found by the best of their regions, exactly and through inverted lists."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.backends.opening import exact_search, open_version
from indexer.backends.region_index import RegionIndex
from indexer.building.ground_truth import K
from indexer.building.index_spec import IndexFamily
from indexer.versions.manifest import Manifest
from indexer.versions.recall import measure_recall
from indexer.versions.relevance import measure_backgrounds
from tests.indexer.versions import DIM, build, ids_of, made_from, one_thread, pictures, texts

REGIONS = 5
COUNT = 3_000


def rows(count: int, dim: int = DIM) -> np.ndarray:
    """Shape (count, REGIONS · dim): regions are like their picture, and like one another."""
    whole = pictures(count, dim)
    parts = whole[:, None] + 0.7 * pictures(REGIONS * count, dim, 1).reshape(count, REGIONS, dim)
    parts[:, 0] = whole
    parts /= np.linalg.norm(parts, axis=2, keepdims=True)
    return parts.reshape(count, REGIONS * dim).astype(np.float16)


def scores_of(stored: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Shape (count, REGIONS)."""
    return stored.reshape(len(stored), REGIONS, -1).astype(np.float32) @ query


@given(count=st.integers(1, 40), k=st.integers(1, 60), share=st.sampled_from([0.0, 0.1, 0.5, None]))
def test_the_nearest_are_those_with_the_best_region(
    count: int, k: int, share: float | None
) -> None:
    stored, query = rows(count, 16), pictures(1, 16, 5)
    index = exact_search(ids_of(count), stored, REGIONS)
    among = None if share is None else np.random.default_rng(count).random(count) < share
    passing = np.arange(count) if among is None else np.flatnonzero(among)
    scores = scores_of(stored, query[0])
    best = passing[np.argsort(-scores.max(axis=1)[passing], kind="stable")][:k]
    found = index.search(query, k, 0.95, "text", among)
    assert found.ids.shape == (1, k)
    assert found.ids[0, : len(best)].tolist() == index.ids[best].tolist()
    assert (found.ids[0, len(best) :] == -1).all()
    assert found.regions is not None
    of_regions = scores[best, found.regions[0, : len(best)]]
    assert np.allclose(of_regions, scores.max(axis=1)[best], atol=1e-3)
    assert np.allclose(found.scores[0, : len(best)], scores.max(axis=1)[best], atol=1e-3)


def test_where_the_whole_is_as_near_as_a_part_it_is_the_whole() -> None:
    """A picture of one colour has no box around nothing."""
    stored = np.tile(pictures(3, 16), REGIONS).astype(np.float16)
    index = exact_search(ids_of(3), stored, REGIONS)
    found = index.search(pictures(1, 16, 5), 3, 0.95, "text")
    assert found.regions is not None
    assert found.regions.tolist() == [[0, 0, 0]]


def test_an_image_is_known_by_its_whole() -> None:
    stored = rows(4, 16)
    index = exact_search(ids_of(4), stored, REGIONS)
    image = int(index.ids[2])
    vector, row = index.vector_of(image), index.row_of(image)
    assert vector is not None
    assert row is not None
    assert np.array_equal(vector, stored[2, :16].astype(np.float32))
    assert np.array_equal(row, stored[2])
    assert index.vector_of(image + 1) is None
    assert isinstance(index, RegionIndex)
    held, is_held = index.vectors_of(np.array([image, image + 1, image + 1000]))
    assert is_held.tolist() == [True, False, False]
    assert np.array_equal(held, vector[None])


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, RegionIndex]:
    stored = rows(COUNT)

    def chunks() -> Iterator[np.ndarray]:
        yield stored

    plain = made_from(pictures(COUNT), IndexFamily.IVF_SQ8)
    source = replace(plain, regions=REGIONS, chunks=chunks)
    manifest, index = open_version(build(tmp_path_factory.mktemp("regions"), source))
    assert isinstance(index, RegionIndex)
    return manifest, index


def test_inverted_lists_hold_all_regions(version: tuple[Manifest, RegionIndex]) -> None:
    manifest, index = version
    assert not manifest.is_exact  # though there are fewer images than it takes
    assert (manifest.count, manifest.regions, index.count) == (COUNT, REGIONS, COUNT)
    assert index.list_sizes.sum() == COUNT * REGIONS


def test_recall_is_that_of_images(version: tuple[Manifest, RegionIndex]) -> None:
    manifest, index = version
    with one_thread():
        measured = measure_recall(index, manifest.calibration, texts(60, seed=3), 60)
    assert all(each.measured >= each.asked - 0.05 for each in measured), measured


def test_a_filter_hides_all_regions_of_an_image(version: tuple[Manifest, RegionIndex]) -> None:
    _, index = version
    among = np.random.default_rng(2).random(COUNT) < 0.3
    with one_thread():
        for query in texts(5):
            found = index.search(query[None], K, 0.95, "text", among).ids[0]
            assert np.isin(found, index.ids[among]).all()
            truth = scores_of(index.vectors, query).max(axis=1)
            wanted = index.ids[np.argsort(np.where(among, -truth, np.inf))[:K]]
            assert len(np.intersect1d(found, wanted)) >= K - 2


def test_relevance_expects_the_best_of_several_regions() -> None:
    """The best of five scores higher than one: else everything would be relevant."""
    stored = rows(300)
    by_regions = measure_backgrounds(stored, texts(40))
    whole = measure_backgrounds(stored[:, :DIM], texts(40))
    assert by_regions is not None
    assert whole is not None
    assert np.mean(by_regions.text.reached) > np.mean(whole.text.reached)
    assert np.mean(by_regions.image.reached) > np.mean(whole.image.reached)
