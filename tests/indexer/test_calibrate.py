"""From a recall target to a search setting: what was promised is kept on queries never seen."""

from pathlib import Path

import numpy as np
import pytest

from indexer.backends.base import Modality
from indexer.backends.faiss_index import FaissIndex
from indexer.backends.opening import open_version
from indexer.building.calibrate import TARGETS, shortfall
from indexer.building.ground_truth import exact_neighbours, recall_at, sample_images, without
from indexer.building.index_spec import IndexFamily
from indexer.versions.manifest import Calibration, CalibrationPoint, Manifest
from indexer.versions.recall import measure_recall
from tests.indexer.versions import build, made_from, pictures, texts


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, FaissIndex]:
    """One bit a dimension: every target takes a search of its own."""
    source = made_from(pictures(20_000), IndexFamily.IVF_RABITQ)
    return open_version(build(tmp_path_factory.mktemp("versions"), source))


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_holds_for_texts_that_were_not_calibrated_on(
    version: tuple[Manifest, FaissIndex], target: float
) -> None:
    """Texts lie off the images' distribution: settings for images would lose them."""
    _, index = version
    queries = texts(600, seed=5)
    truth = index.ids[exact_neighbours(index.vectors, queries, 10)]
    found = index.search(queries, 10, target, "text").ids
    assert abs(recall_at(found, truth) - target) < 0.02


def test_texts_searched_like_images_would_be_lost(version: tuple[Manifest, FaissIndex]) -> None:
    """Why each kind of query has settings of its own (clip-retrieval issue 76)."""
    _, index = version
    queries = texts(600, seed=5)
    truth = index.ids[exact_neighbours(index.vectors, queries, 10)]
    assert recall_at(index.search(queries, 10, 0.95, "image").ids, truth) < 0.9


def test_what_is_measured_later_is_what_was_promised(
    version: tuple[Manifest, FaissIndex],
) -> None:
    manifest, index = version
    measured = measure_recall(index, manifest.calibration, texts(200, seed=5), 200)
    assert [(each.modality, each.asked) for each in measured] == [
        (modality, target) for modality in ("text", "image") for target in TARGETS
    ]
    assert all(each.measured > each.asked - 0.03 for each in measured)
    assert manifest.calibration is not None
    points = [*manifest.calibration.text, *manifest.calibration.image]
    assert [(each.nprobe, each.rerank) for each in measured] == [
        (point.nprobe, point.rerank) for point in points
    ]
    assert all(0 < each.milliseconds < 1000 for each in measured)


def test_exact_search_measures_as_exact(tmp_path: Path) -> None:
    vectors = pictures(300)
    manifest, index = open_version(build(tmp_path, made_from(vectors)))
    measured = measure_recall(index, manifest.calibration, texts(20), 50)
    assert {each.measured for each in measured} == {1.0}
    assert {each.nprobe for each in measured} == {None}


def test_pictures_that_are_there_a_thousand_times_are_not_told_apart(tmp_path: Path) -> None:
    """Which ten of them are found is all the same. A search that had to find certain ones among
    equals would go through them all, and seem to miss most.
    """
    vectors = pictures(12_000)
    vectors[::4] = vectors[0]
    manifest, index = open_version(build(tmp_path, made_from(vectors, IndexFamily.IVF_SQ8)))
    assert manifest.calibration is not None
    assert max(point.rerank for point in manifest.calibration.image) < 100
    measured = measure_recall(index, manifest.calibration, texts(50, seed=5), 200)
    assert all(each.measured > each.asked - 0.03 for each in measured)


def test_an_image_is_no_neighbour_of_itself() -> None:
    """It finds itself whatever the setting: that would flatter every measurement."""
    rows = np.array([[7, 1, 2], [3, 8, 4], [5, 6, 0]])
    assert without(np.array([7, 8, 9]), rows).tolist() == [[1, 2], [3, 4], [5, 6]]


def test_sampled_images_are_unit_vectors_and_others_with_another_seed() -> None:
    stored = (pictures(500) * 0.999).astype(np.float16)
    first, rows = sample_images(stored, 50)
    _, others = sample_images(stored, 50, seed=1)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(first, pictures(500)[rows], atol=1e-2)
    assert rows.tolist() != others.tolist()
    assert len(sample_images(stored, 900)[1]) == 500


def test_the_neighbours_of_many_chunks_are_those_of_all_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored, queries = pictures(1000).astype(np.float16), texts(20)
    whole = exact_neighbours(stored, queries, 10)
    monkeypatch.setattr("indexer.building.ground_truth._CHUNK", 7)
    np.testing.assert_array_equal(exact_neighbours(stored, queries, 10), whole)


@pytest.mark.parametrize(
    ("text", "image", "missed"),
    [
        (0.96, 0.96, None),
        (0.95, 0.95, None),
        (0.94, 0.96, ("text", 0.94)),
        (0.96, 0.94, ("image", 0.94)),
    ],
)
def test_a_shortfall_names_the_kind_of_query(
    text: float, image: float, missed: tuple[Modality, float] | None
) -> None:
    points = [
        [CalibrationPoint(recall=0.99, nprobe=1, rerank=10, measured=best)]
        for best in (text, image)
    ]
    assert shortfall(Calibration(text=points[0], image=points[1]), 0.95) == missed
