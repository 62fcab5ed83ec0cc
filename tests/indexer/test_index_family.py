"""What a collection asks of its index is what it gets, or it keeps the index that it has."""

import resource
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from indexer.building.build import BuiltVersion, build_version
from indexer.building.index_spec import IndexFamily
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.errors import RecallTooLow
from indexer.indexing import Indexing
from indexer.indexing_run import IndexSummary
from indexer.progress import Silent
from indexer.sources.folder import FolderSource
from tests.indexer.pictures.hostile import write_good
from tests.indexer.runs import activate, active
from tests.tiny_encoder import TinyEncoder

COUNT = 160


@pytest.fixture(autouse=True)
def _approximate_from_eighty_images_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.building.index_spec.MIN_IVF", COUNT // 2)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    write_good(folder, COUNT)
    return folder


def run(
    indexing: Indexing, folder: Path, family: IndexFamily | None = None, recall: float = 0.9
) -> IndexSummary:
    source = FolderSource(folder)
    return indexing.run("shop", source, TinyEncoder(), Silent(), recall=recall, family=family)


def test_a_family_is_kept_until_another_is_asked_for(indexing: Indexing, many: Path) -> None:
    assert run(indexing, many, IndexFamily.IVF_SQ8).factory == "IVF4,SQ8"
    assert not run(indexing, many).published
    assert not run(indexing, many, IndexFamily.IVF_SQ8).published
    other = run(indexing, many, IndexFamily.IVF_RABITQ)
    assert (other.published, other.images.embedded, other.factory) == (True, 0, "IVF4,RaBitQ")
    Image.new("RGB", (9, 9), "white").save(many / "white.png")
    assert run(indexing, many).factory == "IVF4,RaBitQ"


def test_a_rollback_to_another_family_holds_until_there_is_something_new(
    indexing: Indexing, many: Path
) -> None:
    before = run(indexing, many, IndexFamily.IVF_SQ8)
    run(indexing, many, IndexFamily.IVF_RABITQ)
    activate(indexing, before.version)
    again = run(indexing, many)
    assert (again.published, again.version) == (False, before.version)


def test_an_index_that_misses_its_recall_leaves_the_old_one_serving(
    indexing: Indexing,
    many: Path,
    database: Database,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One bit a dimension, and ten candidates: far from 0.9."""
    before = run(indexing, many, IndexFamily.FLAT)
    monkeypatch.setattr("indexer.building.calibrate._DEEPEST", 10)
    Image.new("RGB", (9, 9), "white").save(many / "white.png")
    with pytest.raises(RecallTooLow, match=r"it is not published\. Allow more bytes"):
        run(indexing, many, IndexFamily.IVF_RABITQ)
    with database.read() as session:
        owner = repository.collection(session, "shop")
        assert owner.active_version is not None
        assert owner.active_version.name == before.version
        assert len(repository.versions(session, owner.id)) == 1
    assert active(database, data_dir).count == COUNT
    assert [path.name for path in data_dir.glob("collections/*/versions/*")] == [before.version]

    mended = run(indexing, many, IndexFamily.FLAT)
    assert (mended.published, mended.images.embedded) == (True, 0)
    assert active(database, data_dir).count == COUNT + 1


@pytest.mark.parametrize("family", [IndexFamily.FLAT, IndexFamily.IVF_SQ8])
def test_a_full_disk_leaves_the_old_version_serving(
    indexing: Indexing,
    many: Path,
    database: Database,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    family: IndexFamily,
) -> None:
    """No file may grow over half of what the embeddings take, while a version is built."""
    before = run(indexing, many, family)
    Image.new("RGB", (9, 9), "white").save(many / "white.png")

    def on_a_full_disk(*arguments: Any) -> BuiltVersion:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (COUNT * 192, hard))
        try:
            return build_version(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with monkeypatch.context() as patched:
        patched.setattr("indexer.indexing_run.build_version", on_a_full_disk)
        with pytest.raises(OSError, match=r"written|too large"):
            run(indexing, many)
    assert [path.name for path in data_dir.glob("collections/*/versions/*")] == [before.version]
    assert active(database, data_dir).count == COUNT
    assert run(indexing, many).images.embedded == 0
    assert active(database, data_dir).count == COUNT + 1


def test_recall_that_is_raised_over_what_the_index_reaches_builds_another(
    indexing: Indexing, many: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.building.calibrate._DEEPEST", 10)
    poor = run(indexing, many, IndexFamily.IVF_RABITQ, recall=0.01)
    assert poor.published
    assert not run(indexing, many, recall=0.02).published, "it reaches that, too"
    with pytest.raises(RecallTooLow):
        run(indexing, many, recall=0.99)
    better = run(indexing, many, IndexFamily.IVF_SQ8, recall=0.8)
    assert (better.published, better.factory) == (True, "IVF4,SQ8")
    with database.read() as session:
        owner = repository.collection(session, "shop")
        assert (owner.recall, owner.index_family) == (0.8, "ivf-sq8")
