"""`--attributes`: what a file says of the pictures of any source."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from indexer.errors import RejectReason, SourceError
from indexer.sources import source_of
from indexer.sources.options import SourceOptions
from indexer.sources.with_attributes import WithAttributes
from tests.indexer.sources.source_entries import PNG, attributes, items, put, rejects


def joined(folder: Path, table: str, name: str = "attributes.csv") -> WithAttributes:
    path = put(folder.parent, name, table.encode())
    return WithAttributes(source_of(str(folder)), str(path), SourceOptions())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "신발/b.png", "c.png"):
        put(tmp_path / "photos", name)
    return tmp_path / "photos"


def test_pictures_get_what_the_table_says_of_them(folder: Path) -> None:
    source = joined(folder, "id,price,색\n신발/b.png,39000,빨강\na.png,,파랑\n")
    assert attributes(source) == {
        "a.png": {"색": "파랑"},
        "c.png": None,
        "신발/b.png": {"price": 39000, "색": "빨강"},
    }
    assert source.uri == source_of(str(folder)).uri, "its pictures are those of the source"
    assert (source.count(), source.readers) == (3, source_of(str(folder)).readers)
    assert [source.read(item) for item in items(source)] == [PNG] * 3


def test_the_table_goes_before_what_the_source_says(folder: Path) -> None:
    put(folder, "items.jsonl", b'{"image": "a.png", "price": 1, "brand": "x"}')
    table = put(folder.parent, "prices.jsonl", b'{"image": "a.png", "price": 2}')
    source = WithAttributes(source_of(str(folder / "items.jsonl")), str(table), SourceOptions())
    assert attributes(source) == {"a.png": {"price": 2, "brand": "x"}}


def test_rows_that_cannot_be_used_are_named_and_their_pictures_stay(folder: Path) -> None:
    source = joined(
        folder,
        '{"id": "a.png", "x": 1}\n{\n{"id": "a.png", "x": 2}\n{"id": "c.png", "x": {}}\n{"x": 1}\n',
        "attributes.jsonl",
    )
    assert rejects(source) == {
        "attributes.jsonl:2": RejectReason.BAD_ROW,
        "attributes.jsonl:3": RejectReason.DUPLICATE_KEY,
        "attributes.jsonl:4": RejectReason.BAD_ATTRIBUTES,
        "attributes.jsonl:5": RejectReason.BAD_ROW,
    }
    assert attributes(source) == {"a.png": {"x": 1}, "c.png": None, "신발/b.png": None}


def test_rows_without_a_picture_are_counted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        list(joined(folder, "id,x\na.png,1\ngone.png,2\nlost.png,3\n"))
    assert "attributes.csv: 2 rows name no picture of the source" in caplog.text


def test_together_they_keep_within_the_limits(folder: Path) -> None:
    put(folder, "items.jsonl", b'{"image": "a.png", "x": "' + b"x" * 9000 + b'"}')
    table = put(folder.parent, "more.jsonl", b'{"id": "a.png", "y": "' + b"y" * 9000 + b'"}')
    source = WithAttributes(source_of(str(folder / "items.jsonl")), str(table), SourceOptions())
    assert rejects(source) == {"a.png": RejectReason.BAD_ATTRIBUTES}


def test_together_they_keep_one_kind_a_field(folder: Path) -> None:
    put(folder, "items.jsonl", b'{"image": "a.png", "x": 1}\n{"image": "c.png", "x": 1}')
    table = put(folder.parent, "more.jsonl", b'{"id": "a.png", "x": "one"}')
    source = WithAttributes(source_of(str(folder / "items.jsonl")), str(table), SourceOptions())
    assert attributes(source) == {"a.png": {"x": "one"}}
    assert rejects(source) == {"c.png": RejectReason.BAD_ATTRIBUTES}


def test_a_scan_that_is_given_up_can_be_ended_by_another_thread(folder: Path) -> None:
    entries = iter(joined(folder, "id,x\na.png,1\n"))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(next, entries).result()
    entries.close()


def test_a_table_that_is_none_says_so(folder: Path) -> None:
    with pytest.raises(SourceError, match="no file of attributes"):
        joined(folder, "", "attributes.txt")
    with pytest.raises(SourceError, match="no column id or image"):
        list(joined(folder, "key,x\na.png,1\n"))
    with pytest.raises(SourceError, match="No such file"):
        list(WithAttributes(source_of(str(folder)), "/nowhere/a.csv", SourceOptions()))
