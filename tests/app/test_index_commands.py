"""`noongil index` and what is asked of an index afterwards."""

from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from indexer.catalog import db, repository
from indexer.catalog.db import Database
from indexer.versions.manifest import VECTORS
from tests.app.command_line import Run, runner
from tests.app.shop import collection_folder, index, paint
from tests.app.test_regions import CORNER, street
from tests.indexer.pictures.hostile import write_good
from tests.indexer.versions import flip


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    db.upgrade(url)
    return url


@pytest.fixture
def noongil(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    return runner(settings, monkeypatch, capfd)


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures enough for an approximate index, which few are here."""
    monkeypatch.setattr("indexer.building.index_spec.MIN_IVF", 80)
    folder = tmp_path / "many"
    folder.mkdir()
    write_good(folder, 160)
    return folder


def json_of(noongil: Run, *arguments: str) -> dict[str, Any]:
    printed = noongil(*arguments, "--json").json()
    assert isinstance(printed, dict)
    return printed


def test_a_folder_is_indexed_whatever_it_is_called_and_wherever_its_name_stands(
    noongil: Run, photos: Path
) -> None:
    for name in ("stats", "verify", "recall"):
        photos.rename(photos.with_name(name))
        photos = photos.with_name(name)
        assert json_of(noongil, "index", f"./{name}", "--collection", name)["total"] == 3
    assert json_of(noongil, "index", "--collection", "last", str(photos))["total"] == 3
    assert "there is no collection" in noongil("index", "stats", "none").err


def test_the_help_of_a_run_names_what_can_be_asked_afterwards(noongil: Run) -> None:
    ran = noongil("index", "--help")
    for command in ("--collection", "index stats", "index verify", "index recall"):
        assert command in ran.out
    assert "noongil index stats [OPTIONS]" in noongil("index", "stats", "--help").out


@pytest.mark.parametrize("family", ["ivf", "FLAT", ""])
def test_an_unknown_family_is_explained(noongil: Run, photos: Path, family: str) -> None:
    ran = noongil("index", str(photos), "--collection", "shop", "--index", family)
    assert (ran.code, ran.out) == (2, "")
    assert "ivf-rabitq" in ran.err


@pytest.mark.parametrize("recall", ["nan", "0", "1.1", "high"])
def test_a_recall_that_is_none_is_refused(noongil: Run, photos: Path, recall: str) -> None:
    """A floor of nan would let every index pass."""
    ran = noongil("index", str(photos), "--collection", "shop", "--recall", recall)
    assert (ran.code, ran.out) == (2, "")
    assert "--recall" in ran.err


def test_a_family_is_kept_by_its_collection(noongil: Run, many: Path) -> None:
    run = ("index", str(many), "--collection", "shop")
    assert json_of(noongil, *run, "--index", "ivf-sq8")["index"] == "IVF4,SQ8"
    paint(many / "white.png", "white")
    assert json_of(noongil, *run)["index"] == "IVF4,SQ8"
    assert json_of(noongil, *run, "--index", "flat")["index"] == "Flat"
    assert json_of(noongil, *run)["published"] is False


def test_an_index_that_misses_its_recall_is_one_line_and_no_version(
    noongil: Run, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ("index", str(many), "--collection", "shop")
    before = json_of(noongil, *run, "--index", "flat")["version"]
    monkeypatch.setattr("indexer.building.calibrate._DEEPEST", 10)
    ran = noongil(*run, "--index", "ivf-rabitq")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: the new index reaches recall@10 ")
    assert "not published" in ran.err
    assert ran.err.count("\n") == 1
    assert json_of(noongil, "collections", "show", "shop")["active_version"] == before


def test_the_settings_bound_the_index_and_its_build(
    noongil: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOONGIL_INDEX_BYTES_PER_VECTOR", "40")
    monkeypatch.setenv("NOONGIL_BUILD_MEMORY_MB", "300")
    assert Settings().build_options().bytes_per_vector == 40
    assert Settings().build_options().memory_bytes == 300 * 2**20
    monkeypatch.setenv("NOONGIL_BUILD_MEMORY_MB", "1")
    ran = noongil("collections", "list")
    assert (ran.code, ran.err.startswith("error: NOONGIL_BUILD_MEMORY_MB")) == (1, True)


def test_attributes_come_from_a_file_of_their_own(
    noongil: Run, photos: Path, tmp_path: Path, settings: Settings
) -> None:
    table = tmp_path / "attributes.csv"
    table.write_text("id,title,price\nred.png,빨간 운동화,5\nblue.png,Blue jeans,7\n")
    noongil("index", str(photos), "--collection", "shop", "--attributes", str(table))
    database = Database(settings.database_url)
    with database.read() as session:
        owner = repository.collection(session, "shop")
        red = repository.image(session, owner.id, "red.png")
        green = repository.image(session, owner.id, "green.png")
    database.close()
    assert red is not None
    assert green is not None
    assert red.attributes["title"] == "빨간 운동화"
    assert green.attributes == {}


@pytest.mark.parametrize("table", ["none.csv", "attributes.doc"])
def test_a_file_of_attributes_that_is_none_is_one_line(
    noongil: Run, photos: Path, table: str
) -> None:
    ran = noongil("index", str(photos), "--collection", "shop", "--attributes", table)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[-1].startswith("error: ")
    assert table in ran.err


def test_statistics_say_what_an_index_costs(noongil: Run, many: Path) -> None:
    run = noongil("index", str(many), "--collection", "shop", "--index", "ivf-sq8")
    assert run.code == 0, run.err
    stats = json_of(noongil, "index", "stats", "shop")
    assert (stats["family"], stats["index"], stats["images"]) == ("ivf-sq8", "IVF4,SQ8", 160)
    assert (stats["active"], stats["model"], stats["dim"]) == (True, "tiny", 192)
    assert stats["files"].keys() == {
        "attributes.arrow",
        "vectors.f16",
        "ids.npy",
        "index.faiss",
    }
    assert stats["resident_bytes"] + stats["mapped_bytes"] == sum(stats["files"].values())
    assert (stats["lists"]["lists"], stats["lists"]["empty"]) == (4, 0)
    assert [point["recall"] for point in stats["calibration"]["text"]] == [0.9, 0.95, 0.99]
    assert (stats["waiting"], stats["gone"], stats["shards"]["unused_rows"]) == (0, 0, 0)
    table = noongil("index", "stats", "shop").out
    for shown in (stats["version"], "ivf-sq8: IVF4,SQ8", "vectors.f16", "imbalance", "rerank"):
        assert shown in table


def test_an_older_version_has_statistics_too(
    noongil: Run, photos: Path, settings: Settings
) -> None:
    old = index(settings, photos).version
    paint(photos / "white.png", "white")
    index(settings, photos)
    stats = json_of(noongil, "index", "stats", "shop", "--version", str(old))
    assert (stats["version"], stats["active"], stats["waiting"]) == (old, False, 1)
    assert (stats["lists"], stats["calibration"]) == (None, None)


def test_a_whole_collection_is_verified(noongil: Run, photos: Path, settings: Settings) -> None:
    index(settings, photos)
    ran = noongil("index", "verify", "shop")
    assert (ran.code, ran.out) == (0, "")
    assert "1 versions and 1 shards are intact" in ran.err
    assert json_of(noongil, "index", "verify", "shop")["faults"] == []


def test_damage_is_a_line_for_each_fault_and_an_exit_code(
    noongil: Run, photos: Path, settings: Settings
) -> None:
    version = str(index(settings, photos).version)
    flip(collection_folder(settings).version(version) / VECTORS, 77)
    (shard,) = collection_folder(settings).shards.iterdir()
    shard.unlink()
    ran = noongil("index", "verify", "shop", "--json")
    assert ran.code == 1
    lines = ran.err.splitlines()
    assert len(lines) == 2
    assert f"{version}: {VECTORS} does not match its SHA-256" in lines[0]
    assert "index the collection's sources again" in lines[0]
    assert shard.name in lines[1]
    assert ran.out.count('"remedy"') == 2


def test_recall_is_measured_on_texts_and_on_images(noongil: Run, many: Path) -> None:
    noongil("index", str(many), "--collection", "shop", "--index", "ivf-sq8")
    found = json_of(noongil, "index", "recall", "shop", "--sample", "40")
    rows = found["recall"]
    assert [(row["modality"], row["asked"]) for row in rows] == [
        (modality, target) for modality in ("text", "image") for target in (0.9, 0.95, 0.99)
    ]
    assert all(row["measured"] > row["asked"] - 0.05 for row in rows)
    assert all(1 <= row["nprobe"] <= 4 and row["rerank"] >= 10 for row in rows)
    table = noongil("index", "recall", "shop", "--sample", "40").out.splitlines()
    assert table[0].split() == ["queries", "recall@10", "measured", "nprobe", "rerank", "ms"]
    assert len(table) == 7


def test_recall_is_measured_on_queries_of_ones_own(
    noongil: Run, many: Path, tmp_path: Path
) -> None:
    noongil("index", str(many), "--collection", "shop", "--index", "flat")
    queries = tmp_path / "queries.txt"
    queries.write_text("빨간 운동화\n\nblue jeans\n")
    found = json_of(noongil, "index", "recall", "shop", "--queries", str(queries))
    assert {row["measured"] for row in found["recall"]} == {1.0}
    assert {row["nprobe"] for row in found["recall"]} == {None}


BAD_QUERIES = {"empty": b"\n \n", "not UTF-8": "고양이".encode("cp949"), "no file": None}


@pytest.mark.parametrize("kind", BAD_QUERIES)
def test_queries_that_cannot_be_asked_are_one_line(
    noongil: Run, many: Path, tmp_path: Path, kind: str
) -> None:
    noongil("index", str(many), "--collection", "shop", "--index", "flat")
    queries, data = tmp_path / "queries.txt", BAD_QUERIES[kind]
    if data is not None:
        queries.write_bytes(data)
    ran = noongil("index", "recall", "shop", "--queries", str(queries))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: ")
    assert queries.name in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("command", ["stats", "verify", "recall"])
def test_a_collection_that_is_not_there_is_one_line(noongil: Run, command: str) -> None:
    ran = noongil("index", command, "none")
    assert (ran.code, ran.err) == (1, "error: there is no collection 'none'\n")


def test_a_collection_with_little_or_nothing_in_it_says_so(
    noongil: Run, photos: Path, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    index(settings, tmp_path / "none", "bare")
    for command in ("stats", "recall"):
        ran = noongil("index", command, "bare")
        assert (ran.code, ran.err) == (1, "error: nothing of collection 'bare' is indexed yet\n")
    assert noongil("index", "verify", "bare").code == 0
    index(settings, photos)
    assert "3 images: recall@10 needs more" in noongil("index", "recall", "shop").err


def test_regions_are_kept_until_another_run_names_them(noongil: Run, photos: Path) -> None:
    run = noongil("index", str(photos), "--collection", "shop", "--regions", "grid")
    assert run.code == 0, run.err
    street("yellow", CORNER).save(photos / "yellow.png")
    assert json_of(noongil, "index", str(photos), "--collection", "shop")["embedded"] == 1
    best = json_of(noongil, "search", "yellow", "--collection", "shop")["hits"][0]
    assert best["id"] == "yellow.png"
    assert best["region"] == pytest.approx(CORNER)
    stats = json_of(noongil, "index", "stats", "shop")
    assert (stats["images"], stats["dim"], stats["regions"]) == (4, 192, 10)
    assert noongil("index", "verify", "shop").code == 0
    assert noongil("index", "recall", "shop").code != 0  # of so few images
    run = noongil("index", str(photos), "--collection", "shop", "--regions", "none")
    assert run.code == 0, run.err
    assert json_of(noongil, "search", "yellow", "--collection", "shop")["hits"][0]["region"] is None
