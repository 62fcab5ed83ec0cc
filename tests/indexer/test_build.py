"""The builder on synthetic vectors: each family finds what exact search finds, or is not built."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import faiss
import numpy as np
import pytest

from indexer.backends.base import Modality
from indexer.backends.faiss_index import FaissIndex
from indexer.backends.opening import open_version
from indexer.building.ground_truth import exact_neighbours, recall_at
from indexer.building.index_spec import MIN_IVF, IndexFamily
from indexer.building.places import BuildOptions
from indexer.errors import BuildFailed, RecallTooLow, VersionDamaged
from indexer.versions.manifest import INDEX, LISTS, Manifest
from tests.indexer.versions import DIM, SMALL, build, ids_of, made_from, pictures, texts

Version = tuple[Manifest, FaissIndex, Path]
APPROXIMATE = [
    IndexFamily.IVF_PQ,
    IndexFamily.IVF_PQ8,
    IndexFamily.IVF_RABITQ,
    IndexFamily.IVF_SQ8,
]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Callable[[IndexFamily], Version]:
    """Versions of as many vectors as it takes for an approximate index, one a family."""

    @cache
    def built(family: IndexFamily) -> Version:
        path = build(tmp_path_factory.mktemp(family), made_from(pictures(MIN_IVF), family))
        return *open_version(path), path

    return built


@pytest.fixture
def small(tmp_path: Path) -> Version:
    path = build(tmp_path, made_from(pictures(500)))
    return *open_version(path), path


@pytest.mark.parametrize("modality", ["text", "image"])
@pytest.mark.parametrize("family", APPROXIMATE)
def test_a_family_finds_what_exact_search_finds(
    large: Callable[[IndexFamily], Version], family: IndexFamily, modality: Modality
) -> None:
    """On queries that it was not calibrated on: hence the 0.02."""
    _, index, _ = large(family)
    queries = texts(400, seed=5) if modality == "text" else pictures(400, seed=5)
    truth = index.ids[exact_neighbours(index.vectors, queries, 10)]
    assert recall_at(index.search(queries, 10, 0.95, modality).ids, truth) >= 0.93


@pytest.mark.parametrize("family", APPROXIMATE)
def test_a_higher_target_is_reached_by_a_wider_search(
    large: Callable[[IndexFamily], Version], family: IndexFamily
) -> None:
    manifest, _, _ = large(family)
    assert manifest.calibration is not None
    for points in (manifest.calibration.text, manifest.calibration.image):
        assert [point.recall for point in points] == [0.90, 0.95, 0.99]
        assert all(point.measured >= point.recall for point in points)
        measured = [point.measured for point in points]
        assert measured == sorted(measured)


def test_scores_are_exact_cosines_in_order(large: Callable[[IndexFamily], Version]) -> None:
    _, index, _ = large(IndexFamily.IVF_RABITQ)
    query = pictures(1, seed=8)
    hits = index.search(query, 50, 0.99, "image")
    stored = index.vectors[np.searchsorted(index.ids, hits.ids[0])].astype(np.float32)
    np.testing.assert_allclose(hits.scores[0], stored @ query[0], atol=1e-5)
    assert np.all(np.diff(hits.scores[0]) <= 0)


def test_more_hits_than_the_lists_probed_hold_are_found(
    large: Callable[[IndexFamily], Version],
) -> None:
    """A thousand hits of an index that is searched in two lists of forty."""
    _, index, _ = large(IndexFamily.IVF_SQ8)
    hits = index.search(pictures(3, seed=9), 1000, 0.9, "image")
    assert np.all(hits.ids >= 0)
    assert all(len(set(row)) == 1000 for row in hits.ids.tolist())


def test_the_thousandth_hit_is_sought_where_it_may_lie(
    large: Callable[[IndexFamily], Version],
) -> None:
    """The lists that hold the first ten hold too few of a thousand."""
    _, index, _ = large(IndexFamily.IVF_SQ8)
    queries = pictures(50, seed=9)
    truth = index.ids[exact_neighbours(index.vectors, queries, 1000)]
    assert recall_at(index.search(queries, 1000, 0.9, "image").ids, truth) > 0.9


def threads_of_this_process() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.mark.parametrize("family", [IndexFamily.FLAT, IndexFamily.IVF_PQ])
def test_who_asks_one_query_starts_no_other_threads(
    large: Callable[[IndexFamily], Version], family: IndexFamily
) -> None:
    """A server asks from forty: a team of FAISS's for each of them is thousands."""
    _, index, _ = large(family)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(threading.get_ident).result()
        before = threads_of_this_process()
        pool.submit(index.search, texts(1), 10, 0.9, "text").result()
        assert threads_of_this_process() == before
        at_once = pool.submit(faiss.omp_get_max_threads).result()
    assert at_once == faiss.omp_get_max_threads(), "whoever builds has them all"


def test_an_index_that_was_let_go_is_gone(tmp_path: Path) -> None:
    """A server's garbage collector passes over what was there when it started."""
    index = open_version(build(tmp_path, made_from(pictures(500))))[1]
    index.search(pictures(1), 10, 0.9, "image")
    alive = weakref.ref(index)
    gc.disable()
    try:
        del index
        assert alive() is None
    finally:
        gc.enable()


def test_lists_that_outgrow_memory_are_searched_on_disk(tmp_path: Path) -> None:
    options = BuildOptions(bytes_per_vector=20, memory_bytes=128 * 1024)
    path = build(tmp_path, made_from(pictures(MIN_IVF), IndexFamily.IVF_PQ8), options)
    moved = path.rename(tmp_path / "elsewhere")
    manifest, index = open_version(moved)
    assert manifest.files.keys() >= {LISTS, INDEX}
    assert sorted(file.name for file in moved.iterdir() if "part" in file.name) == []
    queries = texts(100, seed=5)
    truth = index.ids[exact_neighbours(index.vectors, queries, 10)]
    assert recall_at(index.search(queries, 10, 0.99, "text").ids, truth) >= 0.97


def test_below_the_threshold_search_is_exact(small: Version) -> None:
    manifest, index, _ = small
    queries = texts(20, seed=5)
    truth = index.ids[exact_neighbours(index.vectors, queries, 10)]
    assert (manifest.factory, manifest.calibration) == ("Flat", None)
    assert recall_at(index.search(queries, 10, 0.9, "text").ids, truth) == 1


def test_more_hits_than_images_come_padded(small: Version) -> None:
    hits = small[1].search(pictures(2), 600, 0.9, "image")
    assert hits.ids.shape == (2, 600)
    assert np.all(hits.ids[:, 500:] == -1)
    assert np.all(np.isneginf(hits.scores[:, 500:]))


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_query_that_is_no_unit_vector_is_refused(small: Version, value: float) -> None:
    with pytest.raises(ValueError, match="unit"):
        small[1].search(np.full((1, DIM), value, np.float32), 1, 0.9, "text")


def test_stored_vectors_come_back_by_image(small: Version) -> None:
    _, index, _ = small
    vector = index.vector_of(int(ids_of(500)[17]))
    assert vector is not None
    np.testing.assert_allclose(vector, pictures(500)[17], atol=1e-3)
    assert index.vector_of(6) is None
    assert index.vector_of(10**9) is None


def test_an_index_that_misses_its_floor_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte a picture tells too little of it when only ten candidates are scored exactly."""
    monkeypatch.setattr("indexer.building.calibrate._DEEPEST", 10)
    source = made_from(pictures(MIN_IVF), IndexFamily.IVF_PQ, floor=0.99)
    with pytest.raises(RecallTooLow, match=r"on text queries.*NOONGIL_INDEX_BYTES_PER_VECTOR"):
        build(tmp_path, source, BuildOptions(bytes_per_vector=18))
    assert list((tmp_path / "versions").iterdir()) == []


def test_no_floor_is_above_what_is_measured(large: Callable[[IndexFamily], Version]) -> None:
    """`--recall 1` asks for the best there is: 0.99 is the highest that is calibrated."""
    manifest, _, path = large(IndexFamily.IVF_SQ8)
    rebuilt = build(path.parent.parent, made_from(pictures(MIN_IVF), IndexFamily.IVF_SQ8, floor=1))
    assert open_version(rebuilt)[0].factory == manifest.factory


def test_fast_scan_lists_that_outgrow_memory_say_what_to_do(tmp_path: Path) -> None:
    options = replace(SMALL, memory_bytes=256 * 1024)
    with pytest.raises(BuildFailed, match="ivf-pq8"):
        build(tmp_path, made_from(pictures(MIN_IVF), IndexFamily.IVF_PQ), options)
    assert list((tmp_path / "versions").iterdir()) == []


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[np.ndarray]:
        yield pictures(10).astype(np.float16)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        build(tmp_path, replace(made_from(pictures(20)), chunks=chunks))
    assert list((tmp_path / "versions").iterdir()) == []


def test_shards_that_hold_less_than_the_catalog_says_are_not_built_from(tmp_path: Path) -> None:
    source = replace(made_from(pictures(20)), ids=ids_of(21))
    with pytest.raises(VersionDamaged, match="fewer embeddings"):
        build(tmp_path, source)


def test_a_collection_that_lost_its_last_image_has_an_empty_version(tmp_path: Path) -> None:
    manifest, index = open_version(build(tmp_path, made_from(pictures(0))))
    assert (manifest.count, manifest.backgrounds) == (0, None)
    assert index.vector_of(5) is None
