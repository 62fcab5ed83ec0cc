"""The builder on synthetic vectors: the family that it picks and the recall that it keeps."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexer.backends.faiss_index import FaissIndex, open_version
from indexer.build import CHUNK, BuildInput, build_version
from indexer.calibrate import exact_neighbours, recall_at
from indexer.errors import VersionDamaged
from indexer.index_spec import MIN_IVF_PQ, choose_spec
from indexer.layout import CollectionFolder
from indexer.manifest import IDS, INDEX, MANIFEST, VECTORS, Manifest
from models.types import Embeddings

DIM = 128


def clustered(count: int, dim: int = DIM, seed: int = 0) -> Embeddings:
    """Unit vectors around 200 centres, as pictures of 200 kinds of thing would be."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(200, dim))
    rows = centres[random.integers(200, size=count)] + 0.6 * random.normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def build(folder: Path, vectors: Embeddings) -> tuple[Manifest, FaissIndex, Path]:
    def chunks() -> Iterator[np.ndarray]:
        for start in range(0, len(vectors), CHUNK):
            yield vectors[start : start + CHUNK].astype(np.float16)

    collection = CollectionFolder(folder)
    source = BuildInput(
        model="tiny",
        encoder_fingerprint="f",
        dim=vectors.shape[1],
        change_number=1,
        ids=np.arange(len(vectors), dtype=np.int64) * 3 + 5,
        chunks=chunks,
        encode_texts=lambda texts: clustered(len(texts), vectors.shape[1], seed=99),
    )
    built = build_version(collection, source, lambda _: None)
    path = collection.version(built.name)
    return *open_version(path), path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, FaissIndex, Embeddings]:
    vectors = clustered(MIN_IVF_PQ)
    manifest, index, _ = build(tmp_path_factory.mktemp("large"), vectors)
    return manifest, index, vectors


@pytest.fixture
def small(tmp_path: Path) -> tuple[Manifest, FaissIndex, Path]:
    return build(tmp_path, clustered(500))


def test_ten_thousand_rows_make_an_ivf_pq_index(
    large: tuple[Manifest, FaissIndex, Embeddings],
) -> None:
    manifest, index, _ = large
    assert manifest.factory == "OPQ16_128,IVF256,PQ16x8"
    assert index.count == MIN_IVF_PQ


def test_reranked_search_finds_what_exact_search_finds(
    large: tuple[Manifest, FaissIndex, Embeddings],
) -> None:
    _, index, vectors = large
    queries = clustered(200, seed=5)
    truth = exact_neighbours(vectors.astype(np.float16), queries, 10) * 3 + 5
    assert recall_at(index.search(queries, 10, recall=0.95).ids, truth) >= 0.95


def test_a_higher_recall_target_finds_more(
    large: tuple[Manifest, FaissIndex, Embeddings],
) -> None:
    manifest, index, vectors = large
    queries = clustered(200, seed=6)
    truth = exact_neighbours(vectors.astype(np.float16), queries, 10) * 3 + 5
    reached = [
        recall_at(index.search(queries, 10, point.recall).ids, truth)
        for point in manifest.calibration
    ]
    assert reached == sorted(reached)
    assert [point.measured >= point.recall for point in manifest.calibration] == [True] * 3


def test_scores_are_exact_cosines_in_order(
    large: tuple[Manifest, FaissIndex, Embeddings],
) -> None:
    _, index, vectors = large
    query = clustered(1, seed=8)
    hits = index.search(query, 50, recall=0.99)
    rows = (hits.ids[0] - 5) // 3
    stored = vectors[rows].astype(np.float16).astype(np.float32)
    np.testing.assert_allclose(hits.scores[0], stored @ query[0], atol=1e-5)
    assert np.all(np.diff(hits.scores[0]) <= 0)


def test_below_the_threshold_search_is_exact(small: tuple[Manifest, FaissIndex, Path]) -> None:
    manifest, index, _ = small
    queries = clustered(20, seed=5)
    truth = exact_neighbours(clustered(500).astype(np.float16), queries, 10) * 3 + 5
    assert manifest.factory == "Flat"
    assert recall_at(index.search(queries, 10, recall=0.9).ids, truth) == 1


def test_more_hits_than_images_come_padded(small: tuple[Manifest, FaissIndex, Path]) -> None:
    hits = small[1].search(clustered(2), 600, recall=0.9)
    assert hits.ids.shape == (2, 600)
    assert np.all(hits.ids[:, 500:] == -1)
    assert np.all(np.isneginf(hits.scores[:, 500:]))


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_query_that_is_no_unit_vector_is_refused(
    small: tuple[Manifest, FaissIndex, Path], value: float
) -> None:
    with pytest.raises(ValueError, match="unit"):
        small[1].search(np.full((1, DIM), value, np.float32), 1, recall=0.9)


def test_stored_vectors_come_back_by_image(small: tuple[Manifest, FaissIndex, Path]) -> None:
    _, index, _ = small
    vector = index.vector_of(5 + 3 * 17)
    assert vector is not None
    np.testing.assert_allclose(vector, clustered(500)[17], atol=1e-3)
    assert index.vector_of(6) is None
    assert index.vector_of(10**9) is None


@pytest.mark.parametrize("name", [MANIFEST, INDEX, VECTORS, IDS])
@pytest.mark.parametrize("harm", ["flip", "truncate", "remove"])
def test_a_damaged_version_is_refused(
    small: tuple[Manifest, FaissIndex, Path], name: str, harm: str
) -> None:
    """FAISS loads many damaged files and answers wrongly: the hash must come first."""
    file = small[2] / name
    data = bytearray(file.read_bytes())
    match harm:
        case "flip":
            data[len(data) // 2] ^= 0xFF
            file.write_bytes(data)
        case "truncate":
            file.write_bytes(data[:-10])
        case "remove":
            file.unlink()
    with pytest.raises(VersionDamaged):
        open_version(small[2])


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[np.ndarray]:
        yield clustered(10).astype(np.float16)
        raise OSError(28, "No space left on device")

    source = BuildInput("tiny", "f", DIM, 1, np.arange(20), chunks, lambda _: clustered(80))
    with pytest.raises(OSError, match="No space"):
        build_version(CollectionFolder(tmp_path), source, lambda _: None)
    assert list((tmp_path / "versions").iterdir()) == []


@pytest.mark.parametrize(
    ("count", "dim", "factory"),
    [
        (0, 512, "Flat"),
        (9_999, 512, "Flat"),
        (10_000, 512, "OPQ64_512,IVF256,PQ64x8"),
        (1_000_000, 512, "OPQ64_512,IVF2048,PQ64x8"),
        (10_000, 1152, "OPQ64_1152,IVF256,PQ64x8"),
        (10_000, 100, "OPQ12_96,IVF256,PQ12x8"),
    ],
)
def test_the_index_follows_size_and_dimension(count: int, dim: int, factory: str) -> None:
    spec = choose_spec(count, dim)
    assert spec.factory == factory
    assert spec.train_size <= count
