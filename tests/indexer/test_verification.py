"""What an operator learns of a collection: what it costs, and whether it is whole."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import delete, select, update

from indexer.building.index_spec import IndexFamily
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Embedding, Shard
from indexer.catalog.tables import Image as ImageRow
from indexer.errors import CollectionBusy, UnknownVersion, VersionDamaged
from indexer.indexing import Indexing
from indexer.layout import CollectionFolder
from indexer.lease import hold
from indexer.progress import Silent
from indexer.sources.folder import FolderSource
from indexer.versions.manifest import (
    ATTRIBUTES,
    CHECKSUM,
    IDS,
    MANIFEST,
    VECTORS,
    describe_files,
    read_manifest,
    write_manifest,
)
from indexer.versions.stats import version_stats
from indexer.versions.verification import Fault, verify_collection
from tests.indexer.pictures.hostile import write_good
from tests.indexer.runs import activate, run
from tests.indexer.versions import flip, hide_damage
from tests.tiny_encoder import TinyEncoder


@pytest.fixture
def versions(indexing: Indexing, photos: Path, encoder: TinyEncoder) -> list[str]:
    """Of the collection `shop`: three images, then four; the last is active."""
    first = run(indexing, photos, encoder).version
    Image.new("RGB", (9, 9), "white").save(photos / "white.png")
    second = run(indexing, photos, encoder).version
    assert first is not None
    assert second is not None
    return [first, second]


@pytest.fixture
def folder(database: Database, data_dir: Path, versions: list[str]) -> CollectionFolder:
    assert len(versions) == 2
    with database.read() as session:
        return CollectionFolder.of(data_dir, repository.collection(session, "shop"))


@pytest.fixture
def faults(database: Database, folder: CollectionFolder) -> Callable[[], list[Fault]]:
    return lambda: verify_collection(database, "shop", folder).faults


def rewrite(version: Path, name: str, data: bytes) -> None:
    """Another file, and a manifest that says that it belongs."""
    manifest = read_manifest(version)
    (version / name).write_bytes(data)
    entries = describe_files(version)
    files = {known: entries[known] for known in manifest.files}
    write_manifest(version, manifest.model_copy(update={"files": files}))


def test_a_whole_collection_has_no_faults(database: Database, folder: CollectionFolder) -> None:
    found = verify_collection(database, "shop", folder)
    assert (found.versions, found.shards, found.faults) == (2, 2, [])


def test_a_damaged_active_version_is_named_with_what_to_do(
    faults: Callable[[], list[Fault]], folder: CollectionFolder, versions: list[str]
) -> None:
    flip(folder.version(versions[1]) / VECTORS, 99)
    (fault,) = faults()
    assert (fault.where, fault.what) == (versions[1], f"{VECTORS} does not match its SHA-256")
    assert "index the collection's sources again, or activate another" in fault.remedy


def test_indexing_again_mends_what_was_found(
    faults: Callable[[], list[Fault]],
    folder: CollectionFolder,
    versions: list[str],
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
) -> None:
    """Also damage that the run would not have noticed by itself."""
    flip(folder.version(versions[1]) / VECTORS, 99)
    hide_damage(folder.version(versions[1]))
    flip(next(folder.shards.iterdir()), 2000)
    assert len(faults()) == 2
    assert run(indexing, photos, encoder).published
    assert [fault.where for fault in faults()] == [versions[1]], "kept, until it is too old"


def test_a_version_of_an_earlier_format_says_what_to_do_and_is_built_anew(
    folder: CollectionFolder,
    versions: list[str],
    faults: Callable[[], list[Fault]],
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
) -> None:
    """Embedding nothing: the shards are what they were."""
    old = b'{"format": 1, "model": "tiny", "calibration": []}'
    manifest = folder.version(versions[1]) / MANIFEST
    manifest.write_bytes(old)
    manifest.with_name(CHECKSUM).write_text(f"{sha256(old).hexdigest()}  {MANIFEST}\n")
    (fault,) = faults()
    assert "format 1" in fault.what
    assert "index the collection's sources again" in fault.what
    again = run(indexing, photos, encoder)
    assert (again.published, again.images.embedded) == (True, 0)


def test_damage_in_reserve_is_found_before_it_is_needed(
    faults: Callable[[], list[Fault]], folder: CollectionFolder, versions: list[str]
) -> None:
    """Also where the files seem to be those that were verified."""
    flip(folder.version(versions[0]) / IDS, 1200)
    hide_damage(folder.version(versions[0]))
    (fault,) = faults()
    assert fault.where == versions[0]
    assert "do not activate it" in fault.remedy


def test_every_fault_of_every_version_is_named(
    faults: Callable[[], list[Fault]], folder: CollectionFolder, versions: list[str]
) -> None:
    flip(folder.version(versions[0]) / MANIFEST)
    (folder.version(versions[1]) / IDS).unlink()
    assert [fault.where for fault in faults()] == versions[::-1]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 1.1])
def test_vectors_that_are_no_unit_vectors_are_counted(
    faults: Callable[[], list[Fault]], folder: CollectionFolder, versions: list[str], value: float
) -> None:
    version = folder.version(versions[1])
    vectors = np.fromfile(version / VECTORS, np.float16).reshape(4, -1)
    vectors[1:3] *= np.float16(value) if np.isfinite(value) else 1
    vectors[1:3, 0] = vectors[1:3, 0] if np.isfinite(value) else value
    rewrite(version, VECTORS, vectors.tobytes())
    assert [fault.what for fault in faults()] == ["2 vectors are not of unit length"]


def test_images_that_the_catalog_does_not_know_are_counted(
    faults: Callable[[], list[Fault]], database: Database
) -> None:
    with database.write() as session:
        session.execute(delete(ImageRow).where(ImageRow.key == "red.png"))
    (fault,) = faults()
    assert fault.what == "1 of its images are not in the catalog"


def test_an_image_that_was_deleted_since_the_index_was_built_is_no_fault(
    faults: Callable[[], list[Fault]], database: Database
) -> None:
    with database.write() as session:
        owner = repository.collection(session, "shop")
        image = repository.image(session, owner.id, "red.png")
        assert image is not None
        number = repository.bump_change_number(session, owner.id)
        repository.bury(session, [image.id], number, is_final=True)
    assert faults() == []


def test_ids_out_of_order_are_found(
    faults: Callable[[], list[Fault]], folder: CollectionFolder, versions: list[str]
) -> None:
    """An image's vector is found by bisecting them."""
    ids = folder.version(versions[1]) / IDS
    rewrite(folder.version(versions[1]), IDS, swapped(ids))
    assert "do not ascend" in faults()[0].what


def swapped(ids: Path) -> bytes:
    data = ids.read_bytes()
    return data[:-16] + data[-8:] + data[-16:-8]


def test_a_version_in_the_folder_of_another_is_found(
    faults: Callable[[], list[Fault]], folder: CollectionFolder, versions: list[str]
) -> None:
    first, second = map(folder.version, versions)
    first.rename(folder.versions / "aside")
    second.rename(first)
    (folder.versions / "aside").rename(second)
    assert {fault.what for fault in faults()} == {"the folder is another version's"}


def test_a_damaged_shard_is_named(
    faults: Callable[[], list[Fault]], folder: CollectionFolder
) -> None:
    damaged, missing = sorted(folder.shards.iterdir())
    flip(damaged, 2000)
    missing.unlink()
    found = faults()
    assert {fault.where for fault in found} == {damaged.name, missing.name}
    assert all("embedded anew" in fault.remedy for fault in found)


def test_an_image_without_an_embedding_is_found(
    faults: Callable[[], list[Fault]], database: Database
) -> None:
    with database.write() as session:
        red = select(ImageRow.content_hash).where(ImageRow.key == "red.png").scalar_subquery()
        session.execute(update(Embedding).where(Embedding.content_hash == red).values(shard_row=77))
        session.execute(update(Shard).where(Shard.rows == 1).values(rows=5))
    assert sorted(fault.what for fault in faults()) == [
        "an image points to row 77 of 3",
        "holds 1 rows, the catalog says 5",
    ]


@pytest.mark.usefixtures("versions")
def test_nothing_is_verified_while_a_run_changes_it(
    faults: Callable[[], list[Fault]], database: Database
) -> None:
    with database.read() as session:
        owner = repository.collection(session, "shop")
    with hold(database, owner.id), pytest.raises(CollectionBusy):
        faults()


def test_the_statistics_of_an_exact_version_add_up(
    database: Database, folder: CollectionFolder, versions: list[str]
) -> None:
    found = version_stats(database, "shop", folder, versions[1])
    size = {
        name: (folder.version(versions[1]) / name).stat().st_size
        for name in (ATTRIBUTES, IDS, VECTORS)
    }
    assert (found.is_active, found.family, found.balance) == (True, IndexFamily.FLAT, None)
    assert (found.resident_bytes, found.mapped_bytes) == (
        size[IDS],
        size[VECTORS] + size[ATTRIBUTES],
    )
    assert (found.waiting, found.gone) == (0, 0)
    shards = found.shards
    assert (shards.shards, shards.rows, shards.unused_rows) == (2, 4, 0)
    assert shards.size_bytes == sum(file.stat().st_size for file in folder.shards.iterdir())


def test_a_shard_that_is_gone_does_not_keep_the_statistics_back(
    database: Database, folder: CollectionFolder, versions: list[str]
) -> None:
    gone, left = sorted(folder.shards.iterdir())
    gone.unlink()
    shards = version_stats(database, "shop", folder, versions[1]).shards
    assert (shards.shards, shards.missing, shards.size_bytes) == (2, 1, left.stat().st_size)


def test_what_an_old_version_lacks_and_holds_too_much_is_counted(
    database: Database,
    folder: CollectionFolder,
    versions: list[str],
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
) -> None:
    (photos / "red.png").unlink()
    run(indexing, photos, encoder)
    activate(indexing, versions[0])
    found = version_stats(database, "shop", folder, versions[0])
    assert (found.manifest.count, found.is_active) == (3, True)
    assert (found.waiting, found.gone) == (1, 1)
    assert found.shards.unused_rows == 1


def test_the_lists_of_an_approximate_version_are_weighed(
    indexing: Indexing,
    database: Database,
    folder: CollectionFolder,
    photos: Path,
    encoder: TinyEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("indexer.building.index_spec.MIN_IVF", 80)
    write_good(photos, 160)
    source, family = FolderSource(photos), IndexFamily.IVF_SQ8
    version = indexing.run("shop", source, encoder, Silent(), recall=0.9, family=family).version
    assert version is not None
    found = version_stats(database, "shop", folder, version)
    assert found.family is IndexFamily.IVF_SQ8
    assert found.balance is not None
    assert (found.balance.lists, found.balance.empty) == (4, 0)
    assert 164 / 4 <= found.balance.largest < 164
    assert 1 <= found.balance.imbalance < 4
    assert found.resident_bytes > 164 * encoder.spec.dim


def test_a_version_that_is_not_there_or_not_whole_has_no_statistics(
    database: Database, folder: CollectionFolder, versions: list[str]
) -> None:
    with pytest.raises(UnknownVersion):
        version_stats(database, "shop", folder, "none")
    flip(folder.version(versions[0]) / IDS)
    with pytest.raises(VersionDamaged):
        version_stats(database, "shop", folder, versions[0])
