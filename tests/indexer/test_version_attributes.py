"""A version holds the attributes of its images as they were when it was made."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexer.backends.opening import open_version
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.columns.arrow import write_columns
from indexer.columns.collect import collect
from indexer.columns.filters import parse_filter
from indexer.errors import VersionDamaged
from indexer.indexing import Indexing
from indexer.layout import CollectionFolder
from indexer.progress import Silent
from indexer.versions.attributes import open_columns
from indexer.versions.manifest import (
    ATTRIBUTES,
    Manifest,
    describe_files,
    read_manifest,
    write_manifest,
)
from tests.indexer.listed_source import ListedSource, item, png
from tests.indexer.versions import build, flip, made_from, pictures
from tests.tiny_encoder import TinyEncoder


def rewritten(folder: Path, change: Callable[[Manifest], Manifest]) -> Path:
    """With a manifest that says something else."""
    manifest = change(read_manifest(folder))
    entries = describe_files(folder)
    files = {name: entries[name] for name in manifest.files}
    write_manifest(folder, manifest.model_copy(update={"files": files}))
    return folder


@pytest.mark.parametrize("at_a_time", [2, 10_000])
def test_a_run_keeps_what_the_catalog_knows_in_the_order_of_the_images(
    indexing: Indexing,
    encoder: TinyEncoder,
    database: Database,
    data_dir: Path,
    at_a_time: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("indexer.building.build_input._ATTRIBUTES_CHUNK", at_a_time)
    given = [
        {"price": 3, "브랜드": "눈길"},
        {},
        {"price": 2},
        {"price": 1.5, "tags": ["a"]},
        {},
    ]
    items = [item(str(number), attributes=each) for number, each in enumerate(given)]
    files = {str(number): png(number) for number in range(len(given))}
    indexing.run("shop", ListedSource(items, files), encoder, Silent(), recall=0.95)

    with database.read() as session:
        owner = repository.collection(session, "shop")
        assert owner.active_version is not None
        folder = CollectionFolder.of(data_dir, owner).version(owner.active_version.name)
        held = [repository.image(session, owner.id, str(number)) for number in range(len(given))]
        ids = {image.id: image.key for image in held if image is not None}
    manifest, index = open_version(folder)
    columns = open_columns(folder, manifest)
    assert manifest.fields is not None
    assert {name: field.kind for name, field in manifest.fields.items()} == {
        "price": "number",
        "tags": "list",
        "브랜드": "text",
    }
    rows = np.arange(index.count)
    keys = [ids[image] for image in index.ids.tolist()]
    prices = dict(zip(keys, columns.fields["price"].at(rows), strict=True))
    assert {key: price for key, price in prices.items() if price is not None} == {
        "0": 3.0,
        "2": 2.0,
        "3": 1.5,
    }
    found = index.ids[columns.matching(parse_filter({"브랜드": "눈길"}))]
    assert [ids[image] for image in found.tolist()] == ["0"]


def test_a_version_that_an_earlier_edition_made_is_searched_without_attributes(
    tmp_path: Path,
) -> None:
    folder = build(tmp_path, made_from(pictures(50)))
    (folder / ATTRIBUTES).unlink()

    def without_attributes(manifest: Manifest) -> Manifest:
        files = {name: entry for name, entry in manifest.files.items() if name != ATTRIBUTES}
        return manifest.model_copy(update={"format": 2, "fields": None, "files": files})

    rewritten(folder, without_attributes)
    manifest, index = open_version(folder)
    assert index.search(pictures(1), 1, 0.9, "image").ids[0, 0] == index.ids[0]
    columns = open_columns(folder, manifest)
    assert (columns.is_kept, columns.fields, columns.count) == (False, {}, 50)


def test_damaged_attributes_are_never_served(tmp_path: Path) -> None:
    folder = build(tmp_path, made_from(pictures(50)))
    flip(folder / ATTRIBUTES, 999)
    with pytest.raises(VersionDamaged, match=r"attributes\.arrow does not match"):
        open_version(folder)


def test_attributes_of_other_images_are_never_served(tmp_path: Path) -> None:
    folder = build(tmp_path, made_from(pictures(50)))
    write_columns(folder / ATTRIBUTES, collect([{"price": 1}] * 49))
    rewritten(folder, lambda manifest: manifest)
    with pytest.raises(VersionDamaged, match="holds 49 images"):
        open_columns(folder, read_manifest(folder))
    (folder / ATTRIBUTES).write_bytes(b"no Arrow")
    with pytest.raises(VersionDamaged, match="too small"):
        open_columns(folder, read_manifest(folder))
