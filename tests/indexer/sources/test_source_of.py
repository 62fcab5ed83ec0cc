"""What `noongil index SOURCE` takes a name for."""

from pathlib import Path

import pytest

from indexer.errors import SourceError
from indexer.sources import source_of
from indexer.sources.catalogue import CatalogueSource
from indexer.sources.folder import FolderSource
from indexer.sources.object_folder import ObjectFolderSource
from indexer.sources.webdataset.source import WebDatasetSource
from tests.indexer.sources.source_entries import put


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("items.CSV", CatalogueSource),
        ("items.tsv.gz", CatalogueSource),
        ("items.ndjson", CatalogueSource),
        ("urls.txt", CatalogueSource),
        ("https://shop.example/items.jsonl?token=a.b/c", CatalogueSource),
        ("memory://shop/items.parquet", CatalogueSource),
        ("shard-{000..009}.tar", WebDatasetSource),
        ("https://shop.example/shard-{000..009}.tar.gz", WebDatasetSource),
        ("memory://shop/photos", ObjectFolderSource),
        (".", FolderSource),
    ],
)
def test_each_kind_is_known_by_its_name(uri: str, kind: type) -> None:
    assert type(source_of(uri)) is kind


def test_a_folder_is_a_folder_whatever_its_name(tmp_path: Path) -> None:
    put(tmp_path, "photos.tar/a.png")
    assert type(source_of(str(tmp_path / "photos.tar"))) is FolderSource
    assert type(source_of((tmp_path / "photos.tar").as_uri())) is FolderSource


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("ftp://shop.example/photos", "ftp:// is not supported; understood are a folder"),
        ("https://shop.example/photos/", "cannot tell"),
        ("file://nas/photos", "another machine"),
        ("nowhere", "does not exist"),
        ("", "names nothing"),
        ("file://", "names no file"),
        ("a\0.csv", "names nothing"),
        ("file:///a%00.csv", "names no file"),
        ("\ud800.csv", "names nothing"),
        ("~nobody.here/items.csv", "home directory"),
        ("x" * 300, "cannot look at"),
        ("x{0..9999999999999999999}" + ".tar" * 99, "cannot look at"),
        ("photos/**/a.tar", r"\* stands for a part"),
    ],
)
def test_what_is_not_understood_is_explained(uri: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        source_of(uri)


def test_a_file_of_another_kind_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot tell"):
        source_of(str(put(tmp_path, "a.png")))
