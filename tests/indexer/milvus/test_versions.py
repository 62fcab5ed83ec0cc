"""A version in Milvus is searched as one in files, and leaves nothing behind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexer.backends.milvus import versions
from indexer.backends.milvus.connection import Milvus, MilvusOptions
from indexer.backends.milvus.index import MilvusIndex
from indexer.backends.milvus.index_type import choose_index
from indexer.backends.milvus.names import alias_of, is_of, name_of
from indexer.backends.milvus.opening import open_in_milvus
from indexer.backends.opening import open_version
from indexer.building import calibrate, index_spec
from indexer.building.index_spec import IndexFamily
from indexer.building.places import BuildInput, BuildOptions
from indexer.errors import BuildFailed, IndexAway, RecallTooLow, VersionDamaged
from indexer.versions.manifest import Manifest, read_manifest
from models.types import Embeddings
from tests.indexer.versions import SMALL, build, made_from, pictures, texts

COUNT = 1_200


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a compressed index is built of what is quick to build."""
    monkeypatch.setattr(index_spec, "MIN_IVF", 1_000)
    monkeypatch.setattr(calibrate, "_IMAGE_QUERIES", 16)


def few_queries(vectors: Embeddings, floor: float = 0.9) -> BuildInput:
    """To calibrate on: each comes out of Milvus Lite one object at a time."""
    return replace(made_from(vectors, floor=floor), text_queries=lambda: texts(24))


def within(milvus: Milvus) -> BuildOptions:
    return BuildOptions(SMALL.bytes_per_vector, milvus=milvus.options)


def opened(folder: Path, milvus: Milvus) -> tuple[Manifest, MilvusIndex]:
    manifest = read_manifest(folder)
    return manifest, open_in_milvus(folder, manifest, manifest.count, milvus.options)[0]


def test_an_exact_version_answers_as_files_do(tmp_path: Path, milvus: Milvus) -> None:
    vectors = pictures(500)
    folder = build(tmp_path / "shop-ab12cd34", made_from(vectors), within(milvus))
    manifest, index = opened(folder, milvus)
    _, files = open_version(build(tmp_path / "files", made_from(vectors), SMALL))
    assert manifest.factory == "Milvus FLAT"
    assert {path.suffix for path in folder.iterdir()} == {".json", ".sha256"}, "no copy is here"
    queries = np.concatenate([texts(5), pictures(5, seed=3)])
    for k in (1, 10, 700):
        theirs, ours = (
            index.search(queries, k, 0.95, "text"),
            files.search(queries, k, 0.95, "text"),
        )
        assert np.allclose(theirs.scores, ours.scores, atol=1e-5)
        assert np.mean(theirs.ids == ours.ids) > 0.99, "but for ties"
    held = np.array([5, 6, 8, 10**9])
    ours, is_ours = files.vectors_of(held)
    theirs, is_theirs = index.vectors_of(held)
    assert np.array_equal(ours, theirs)
    assert np.array_equal(is_ours, is_theirs)


def test_a_compressed_version_keeps_its_promise_with_exact_scores(
    tmp_path: Path, milvus: Milvus
) -> None:
    vectors = pictures(COUNT)
    folder = build(tmp_path / "shop-ab12cd34", few_queries(vectors), within(milvus))
    manifest, index = opened(folder, milvus)
    assert manifest.factory.startswith("Milvus IVF_SQ8, nlist ")
    assert manifest.calibration is not None
    asked = texts(40, seed=5)
    stored = vectors.astype(np.float16).astype(np.float32)
    truth = np.argsort(-(asked @ stored.T), axis=1)[:, :10]
    found = index.search(asked, 10, 0.95, "text")
    rows = (found.ids - 5) // 3
    exact = np.einsum("qd,qkd->qk", asked, stored[rows])
    assert np.allclose(found.scores, exact, atol=1e-5), "a score is never an approximation"
    hits = [len(np.intersect1d(*pair)) for pair in zip(rows, truth, strict=True)]
    assert np.mean(hits) / 10 > 0.88
    whole = index.search(asked[:1], COUNT, 0.9, "text")
    assert len({*whole.ids[0].tolist()} - {-1}) == COUNT, (
        "nothing is left out when all is asked for"
    )


def test_of_no_images_nothing_is_found(tmp_path: Path, milvus: Milvus) -> None:
    folder = build(tmp_path / "shop-ab12cd34", made_from(pictures(0)), within(milvus))
    _, index = opened(folder, milvus)
    assert (index.search(texts(1), 3, 0.95, "text").ids == -1).all()
    assert index.vector_of(5) is None


def test_what_misses_its_floor_is_dropped(
    tmp_path: Path, milvus: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "TARGETS", (2.0,))
    with pytest.raises(RecallTooLow):
        build(tmp_path / "shop-ab12cd34", few_queries(pictures(COUNT), 2.0), within(milvus))
    assert milvus.call("list_collections") == []
    assert not [*(tmp_path / "shop-ab12cd34" / "versions").iterdir()]


def test_a_version_that_milvus_lost_is_damaged_not_empty(tmp_path: Path, milvus: Milvus) -> None:
    folder = build(tmp_path / "shop-ab12cd34", made_from(pictures(30)), within(milvus))
    place = read_manifest(folder).milvus
    assert place is not None
    versions.drop(milvus, place.collection)
    with pytest.raises(VersionDamaged, match="has no collection"):
        opened(folder, milvus)


def test_without_the_setting_a_version_in_milvus_says_so(tmp_path: Path, milvus: Milvus) -> None:
    folder = build(tmp_path / "shop-ab12cd34", made_from(pictures(30)), within(milvus))
    manifest = read_manifest(folder)
    with pytest.raises(IndexAway, match="NOONGIL_MILVUS_URI"):
        open_in_milvus(folder, manifest, 30, None)


def test_a_server_that_is_not_there_is_said_within_seconds(tmp_path: Path) -> None:
    away = BuildOptions(milvus=MilvusOptions("http://127.0.0.1:9"))
    with pytest.raises(IndexAway):
        build(tmp_path / "shop", made_from(pictures(30)), away)


def test_regions_are_refused_before_anything_is_made(tmp_path: Path, milvus: Milvus) -> None:
    source = replace(made_from(pictures(30)), regions=2)
    with pytest.raises(BuildFailed, match="regions"):
        build(tmp_path / "shop", source, within(milvus))
    assert milvus.call("list_collections") == []


def test_the_alias_follows_and_sweeping_spares_others(tmp_path: Path, milvus: Milvus) -> None:
    folders = {
        build(tmp_path / collection, made_from(pictures(20)), within(milvus)): collection
        for collection in ("shop-ab12cd34", "shop-ab12cd34", "other-00000000")
    }
    first, second, other = folders
    shop = "shop-ab12cd34"
    for version in (first.name, second.name, first.name):
        versions.point(milvus, shop, version)
        named = milvus.call("list_aliases", name_of(shop, version))["aliases"]
        assert named == [alias_of(shop)]
    versions.sweep(milvus, shop, versions.held(milvus, shop), [first.name])
    assert {*milvus.call("list_collections")} == {
        name_of(shop, first.name),
        name_of("other-00000000", other.name),
    }
    versions.forget(milvus, shop)
    assert milvus.call("list_collections") == [name_of("other-00000000", other.name)]


def test_a_version_that_nobody_has_open_is_loaded_again_by_who_opens_it(
    tmp_path: Path, milvus: Milvus
) -> None:
    shop = "shop-ab12cd34"
    folder = build(tmp_path / shop, made_from(pictures(20)), within(milvus))
    versions.release(milvus, shop, [folder.name, "20200101T000000-000000"])
    state = milvus.call("get_load_state", name_of(shop, folder.name))["state"]
    assert state.name == "NotLoad"
    assert (opened(folder, milvus)[1].search(texts(1), 3, 0.95, "text").ids >= 0).all()


def test_names_of_one_collection_are_not_anothers() -> None:
    name = name_of("shop-ab12cd34", "20261122T021900-f96069")
    assert name == "noongil_shop_ab12cd34_20261122T021900_f96069"
    assert is_of("shop-ab12cd34", name)
    assert not is_of("shop", name)
    assert not is_of("shop-ab12cd34", f"{alias_of('shop-ab12cd34')}_of_somebody")


def test_a_cluster_gets_product_quantization() -> None:
    chosen = choose_index(1_000_000, 768, IndexFamily.AUTO, 100, is_lite=False)
    assert chosen.factory == "Milvus IVF_PQ, nlist 2048, m 64, nbits 8"
    assert choose_index(900, 768, IndexFamily.AUTO, 100, is_lite=False).is_exact
    assert choose_index(10**6, 768, IndexFamily.IVF_PQ, 100, is_lite=True).name == "IVF_SQ8"


def test_a_server_does_not_wait_for_what_milvus_is_loading(
    tmp_path: Path, milvus: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that opens versions opens those of all collections."""
    shop = "shop-ab12cd34"
    folder = build(tmp_path / shop, made_from(pictures(30)), within(milvus))
    manifest, options = read_manifest(folder), milvus.options
    versions.release(milvus, shop, [folder.name])
    call, begun = Milvus.call, []

    def slowly(self: Milvus, method: str, *args: object, **named: object) -> object:
        if method == "load_collection" and len(begun) < 2:  # a cluster takes its time
            assert named["_async"], "the server waits"
            begun.append(args)
            return None
        return call(self, method, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Milvus, "call", slowly)
    for _ in range(2):
        with pytest.raises(IndexAway, match="is loading"):
            open_in_milvus(folder, manifest, 30, options, is_patient=False)
    index, _ = open_in_milvus(folder, manifest, 30, options, is_patient=False)
    assert (index.search(texts(1), 3, 0.95, "text").ids >= 0).all()
