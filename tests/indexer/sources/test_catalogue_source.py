"""Catalogues: each row is a picture with what is known of it, or a reject that names the row."""

import gzip
import json
import os
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from indexer.errors import RejectReason, SourceError
from indexer.sources import source_of
from indexer.sources.base import ImageSource, SourceItem
from tests.indexer.sources.source_entries import (
    PNG,
    attributes,
    is_incomplete,
    items,
    put,
    reason_of,
    rejects,
)


def jsonl(folder: Path, *rows: object, name: str = "items.jsonl") -> ImageSource:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    return source_of(str(put(folder, name, "\n".join(lines).encode())))


def parquet(folder: Path, columns: dict[str, object]) -> ImageSource:
    pq.write_table(pa.table(columns), folder / "items.parquet")
    return source_of(str(folder / "items.parquet"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("a.png", "신발/b.png", "c.png"):
        put(tmp_path, name)
    return tmp_path


def test_every_row_is_a_picture_with_its_attributes(pictures: Path) -> None:
    source = jsonl(
        pictures,
        {"image": "a.png", "price": 39000, "brand": None, "name": ""},
        {"image": "신발/b.png", "id": "sku-9", "tags": ["구두", "red"], "sold_out": True},
    )
    first, second = items(source)
    assert (first.key, first.attributes) == ("a.png", {"price": 39000})
    assert (second.key, second.attributes) == ("sku-9", {"tags": ["구두", "red"], "sold_out": True})
    assert first.uri == (pictures / "a.png").as_uri()
    assert first.stamp == f"{len(PNG)}-{(pictures / 'a.png').stat().st_mtime_ns}"
    assert source.read(second) == PNG
    assert source.count() is not None
    assert items(source) == [first, second], "a second scan says the same"
    assert not is_incomplete(source)


def test_a_source_can_be_opened_again_by_what_it_calls_itself(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jsonl(pictures, {"image": "a.png"})
    monkeypatch.chdir(pictures)
    source = source_of("items.jsonl")
    [item] = items(source)
    monkeypatch.chdir("/")
    assert source_of(source.uri).read(SourceItem(item.key, item.uri, item.stamp)) == PNG


@pytest.mark.parametrize(
    "row",
    [
        "{",
        "[]",
        "null",
        '"a.png"',
        '{"id": "no picture"}',
        '{"image": 7}',
        '{"image": "a.png", "id": true}',
        '{"image": "a.png", "id": "below/"}',
        '{"image": "a.png", "id": "line\\nbreak"}',
        '{"image": "a.png", "id": "\\ud800"}',
        '{"image": "\\u0000.png"}',
        '{"image": "a.png", "n": NaN}',
        '{"image": "a.png", "n": 1, "n": 2}',
        '{"image": "a.png", "n": ' + "9" * 5000 + "}",
        '{"image": ' + "[" * 200_000,
        '{"image": "' + "x" * 1024 * 1024 + '"}',
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_nothing_counts_as_deleted(
    pictures: Path, row: str
) -> None:
    source = jsonl(pictures, {"image": "a.png"}, row, {"image": "c.png"})
    assert rejects(source) == {"items.jsonl:2": RejectReason.BAD_ROW}
    assert [item.key for item in items(source)] == ["a.png", "c.png"]
    assert is_incomplete(source)


def test_attributes_that_cannot_be_stored_reject_their_picture_alone(pictures: Path) -> None:
    source = jsonl(
        pictures,
        {"image": "a.png", "price": 1},
        {"image": "c.png", "price": "one"},
        {"image": "신발/b.png", "size": {"width": 1}},
    )
    bad = RejectReason.BAD_ATTRIBUTES
    assert rejects(source) == {"c.png": bad, "신발/b.png": bad}
    assert not is_incomplete(source)


def test_a_path_cannot_leave_the_folder_of_the_catalogue(tmp_path: Path) -> None:
    put(tmp_path, "secret.png")
    folder = tmp_path / "shop"
    put(folder, "in.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    names = [
        "../secret.png",
        "x/../../secret.png",
        str(tmp_path / "secret.png"),
        (tmp_path / "secret.png").as_uri(),
        f"{folder.as_uri()}/%2e%2e/secret.png",
        "file://other.machine/secret.png",
        "..\\secret.png",
        "link.png",
    ]
    source = jsonl(folder, *[{"image": name} for name in names], {"image": "y/../in.png"})
    found = rejects(source)
    assert found == dict.fromkeys(names, RejectReason.OUTSIDE_SOURCE)
    assert [item.key for item in items(source)] == ["y/../in.png"]
    stolen = SourceItem("x", (tmp_path / "secret.png").as_uri(), None)
    assert reason_of(source, stolen) is RejectReason.OUTSIDE_SOURCE


def test_pictures_are_found_as_other_systems_write_their_names(tmp_path: Path) -> None:
    put(tmp_path, "photos/a.png")
    put(tmp_path, unicodedata.normalize("NFD", "한글.png"))
    source = jsonl(tmp_path, {"image": "photos\\a.png"}, {"image": "한글.png"}, {"image": "x.png"})
    assert [source.read(item) for item in items(source)] == [PNG, PNG]
    assert rejects(source) == {"x.png": RejectReason.GONE}
    decomposed = jsonl(tmp_path, {"image": unicodedata.normalize("NFD", "한글.png")})
    assert [item.key for item in items(decomposed)] == ["한글.png"], "keys are NFC"


def test_numbers_are_keys_and_urls_are_pictures(tmp_path: Path) -> None:
    source = jsonl(tmp_path, {"image": "https://shop.example/사진 1.jpg?v=2", "id": 7})
    [item] = items(source)
    assert (item.key, item.uri, item.stamp) == ("7", "https://shop.example/사진 1.jpg?v=2", None)


def test_parquet_brings_its_types(pictures: Path) -> None:
    source = parquet(
        pictures,
        {
            "image": ["a.png", "c.png"],
            "id": pa.array([1, 2], pa.int64()),
            "price": pa.array([Decimal("19.90"), None], pa.decimal128(9, 2)),
            "at": pa.array([datetime(2024, 1, 5, tzinfo=UTC), None], pa.timestamp("ns", "UTC")),
            "day": pa.array([date(2024, 1, 5), None]),
            "tags": pa.array([["a", "b"], []], pa.list_(pa.string())),
            "brand": pa.array(["x", ""]).dictionary_encode(),
            "sold": [True, False],
        },
    )
    assert source.count() == 2
    assert attributes(source) == {
        "1": {
            "price": 19.9,
            "at": "2024-01-05T00:00:00+00:00",
            "day": "2024-01-05",
            "tags": ["a", "b"],
            "brand": "x",
            "sold": True,
        },
        "2": {"tags": [], "sold": False},
    }


def test_a_parquet_value_that_python_cannot_hold_costs_its_row_alone(pictures: Path) -> None:
    far = pa.array([0, 2**62, 1], pa.int64()).cast(pa.timestamp("us"))
    source = parquet(pictures, {"image": ["a.png", "x.png", "c.png"], "at": far})
    assert [item.key for item in items(source)] == ["a.png", "c.png"]
    assert rejects(source) == {"items.parquet:2": RejectReason.BAD_ROW}


def test_a_parquet_row_that_is_too_large_costs_itself_alone(pictures: Path) -> None:
    """A value that is stored once and repeated makes gigabytes of rows from a small file."""
    large = pa.array(["x" * 2_000_000, "y"])
    notes = pa.DictionaryArray.from_arrays(pa.array([0] * 500 + [1, 0], pa.int32()), large)
    images = [f"{number}.png" for number in range(500)] + ["a.png", "c.png"]
    source = parquet(pictures, {"image": images, "note": notes})
    assert [item.key for item in items(source)] == ["a.png"]
    assert set(rejects(source).values()) == {RejectReason.BAD_ROW}


def test_parquet_is_not_read_a_row_group_at_a_time(pictures: Path) -> None:
    """A catalogue is often written as a single one, larger than memory."""
    notes = [os.urandom(100).hex() for _ in range(100_000)]
    columns = {"image": ["a.png"] * len(notes), "id": list(range(len(notes))), "note": notes}
    pq.write_table(pa.table(columns), pictures / "items.parquet", use_dictionary=False)
    before = pa.total_allocated_bytes()
    entries = iter(source_of(str(pictures / "items.parquet")))
    assert isinstance(next(entries), SourceItem)
    assert pa.total_allocated_bytes() - before < (pictures / "items.parquet").stat().st_size / 2


def test_a_pipe_is_no_catalogue(tmp_path: Path) -> None:
    """Reading it would never end."""
    for name in ("items.csv", "items.jsonl", "items.parquet", "urls.txt"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(SourceError, match="not a regular file"):
            items(source_of(str(tmp_path / name)))


def test_a_parquet_column_that_is_no_attribute_is_named(pictures: Path) -> None:
    source = parquet(pictures, {"image": ["a.png"], "thumbnail": [b"\x89PNG"]})
    with pytest.raises(SourceError, match="'thumbnail' is of type binary"):
        items(source)


def test_a_catalogue_that_is_none_says_so(tmp_path: Path) -> None:
    for name, data, said in (
        ("no-image.csv", b"id,name\n1,a\n", "no column image; it has: id, name"),
        ("empty.csv", b"", "no header"),
        ("text.parquet", b"not parquet", "Parquet"),
        ("not.csv.gz", b"not gzip", "cannot read"),
    ):
        source = str(put(tmp_path, name, data))
        with pytest.raises(SourceError, match=said):
            items(source_of(source))
    with pytest.raises(SourceError, match="No such file"):
        items(source_of(str(tmp_path / "missing.jsonl")))


def test_a_compressed_catalogue_that_was_cut_keeps_what_came_before(pictures: Path) -> None:
    rows = b"".join(
        json.dumps({"image": "a.png", "id": f"{number}", "x": os.urandom(99).hex()}).encode()
        + b"\n"
        for number in range(100)
    )
    whole = gzip.compress(rows)
    put(pictures, "items.jsonl.gz", whole)
    assert len(items(source_of(str(pictures / "items.jsonl.gz")))) == 100
    put(pictures, "items.jsonl.gz", whole[: len(whole) // 2])
    source = source_of(str(pictures / "items.jsonl.gz"))
    assert 0 < len(items(source)) < 100
    assert list(rejects(source).values()) == [RejectReason.BAD_ROW]
    assert is_incomplete(source)


def test_a_list_of_urls_is_a_source(tmp_path: Path) -> None:
    text = "\ufeff# 신발\n\nhttps://a.example/1.jpg\r\n  https://b.example/2.jpg \n"
    source = source_of(str(put(tmp_path, "urls.txt", text.encode())))
    assert [(item.key, item.attributes) for item in items(source)] == [
        ("https://a.example/1.jpg", None),
        ("https://b.example/2.jpg", None),
    ]
