"""WebDatasets: every sample's picture is found in its shard, and a damaged shard loses nothing."""

import gzip
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from indexer.errors import RejectReason, SourceError
from indexer.sources import source_of
from indexer.sources.base import ImageSource, SourceItem
from indexer.sources.options import SourceOptions
from tests.indexer.pictures.hostile import encoded, picture
from tests.indexer.sources.source_entries import (
    FILM,
    OTHER_PNG,
    PNG,
    attributes,
    is_incomplete,
    items,
    put,
    reason_of,
    rejects,
    tar,
)

JPEG = encoded(picture(), "JPEG")


def special(name: str, kind: bytes) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type = kind
    header.linkname = "/etc/passwd"
    return header


SAMPLES = tar(
    ("0001.jpg", JPEG),
    ("0001.json", json.dumps({"price": 39000, "name": None}).encode()),
    ("0001.txt", " 빨간 운동화\n".encode()),
    ("신발/0002.cls", b"7"),
    ("신발/0002.png", PNG),
    ("0003.PNG", OTHER_PNG),
)


@pytest.fixture
def memory() -> Iterator[str]:
    """A bucket of fsspec's own store."""
    yield "memory://bucket"
    fsspec.filesystem("memory").store.clear()


def put_in_store(uri: str, data: bytes) -> str:
    fsspec.filesystem("memory").pipe_file(uri, data)
    return uri


@pytest.fixture(params=["local", "local gzip", "store", "store gzip"])
def shard(request: pytest.FixtureRequest, tmp_path: Path, memory: str) -> ImageSource:
    data = gzip.compress(SAMPLES) if "gzip" in request.param else SAMPLES
    name = "shard.tar.gz" if "gzip" in request.param else "shard.tar"
    if "local" in request.param:
        return source_of(str(put(tmp_path, name, data)))
    return source_of(put_in_store(f"{memory}/{name}", data))


def test_every_sample_is_a_picture_with_its_attributes(shard: ImageSource) -> None:
    found = list(shard)
    assert attributes(found) == {
        "0001": {"price": 39000, "caption": "빨간 운동화"},
        "신발/0002": {"class": 7},
        "0003": None,
    }
    assert [shard.read(item) for item in items(found)] == [JPEG, PNG, OTHER_PNG]
    assert not rejects(found)
    assert not is_incomplete(found)


def test_a_picture_can_be_read_again_by_its_uri_alone(shard: ImageSource) -> None:
    later = source_of(shard.uri)
    for item, data in zip(items(shard), (JPEG, PNG, OTHER_PNG), strict=True):
        assert later.read(SourceItem(item.key, item.uri, item.stamp)) == data
        assert item.stamp is not None


def test_the_scan_of_a_local_shard_reads_no_picture(tmp_path: Path) -> None:
    source = source_of(str(put(tmp_path, "shard.tar", SAMPLES)))
    assert [item.data for item in items(source)] == [None, None, None]


def test_shards_are_read_in_order(tmp_path: Path, memory: str) -> None:
    for number in range(12):
        data = tar((f"{number}.png", PNG))
        put(tmp_path, f"[신발] {number:03}.tar", data)
        put_in_store(f"{memory}/{number:03}.tar", data)
    every = [str(number) for number in range(12)]
    for pattern, expected in (
        (f"{tmp_path}/[신발] {{000..011}}.tar", every),
        (f"{tmp_path}/[신발] {{009..010}}.tar", ["9", "10"]),
        (f"{tmp_path}/[신발] *.tar", every),
        (f"{tmp_path}/[신발] 00?.tar", every[:10]),
        (f"{memory}/{{000..011}}.tar", every),
        (f"{memory}/*.tar", every),
    ):
        source = source_of(pattern)
        found = items(source)
        assert [item.key for item in found] == expected, pattern
        again = source_of(source.uri)
        assert [again.read(SourceItem("x", item.uri, None)) for item in found] == [PNG] * len(found)


def test_only_shards_of_the_pattern_are_read_again(tmp_path: Path) -> None:
    for name in ("a-09", "a-10", "a-9", "a-11", "below/a-09"):
        put(tmp_path, f"{name}.tar", tar(("x.png", PNG)))
    source = source_of(f"{tmp_path}/?-{{09..10}}.tar")
    for name, is_inside in [("a-09", 1), ("a-10", 1), ("a-9", 0), ("a-11", 0), ("below/a-09", 0)]:
        [item] = items(source_of(f"{tmp_path}/{name}.tar"))
        if is_inside:
            assert source.read(item) == PNG
        else:
            assert reason_of(source, item) is RejectReason.OUTSIDE_SOURCE


def test_a_pipe_is_no_shard(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "shard.tar")
    assert rejects(source_of(f"{tmp_path}/*.tar")) == {"shard.tar": RejectReason.NOT_A_FILE}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("none-*.tar", "no shard"),
        ("a{9..1}.tar", "0 shards"),
        ("a{0..9}{0..99999999999}.tar", "1000000000000 shards"),
    ],
)
def test_a_pattern_of_nothing_or_of_everything_is_an_error(
    tmp_path: Path, pattern: str, said: str
) -> None:
    with pytest.raises(SourceError, match=said):
        list(source_of(f"{tmp_path}/{pattern}"))


def test_only_files_are_pictures(tmp_path: Path) -> None:
    data = tar(
        special("folder.png", tarfile.DIRTYPE),
        special("symlink.png", tarfile.SYMTYPE),
        special("hardlink.png", tarfile.LNKTYPE),
        special("device.png", tarfile.CHRTYPE),
        special("pipe.png", tarfile.FIFOTYPE),
        special("sparse.png", tarfile.GNUTYPE_SPARSE),
        ("._a.png", b"what macOS leaves"),
        ("a.png", PNG),
    )
    source = source_of(str(put(tmp_path, "shard.tar", data)))
    names = ["symlink", "hardlink", "device", "pipe", "sparse"]
    assert rejects(source) == dict.fromkeys(names, RejectReason.NOT_A_FILE)
    assert [item.key for item in items(source)] == ["a"]


def test_names_cannot_lead_anywhere(tmp_path: Path) -> None:
    data = tar(("../../etc/a.png", PNG), ("/abs//b.png", PNG), ("./c.png", PNG), ("x\ny.png", PNG))
    source = source_of(str(put(tmp_path, "shard.tar", data)))
    assert [item.key for item in items(source)] == ["etc/a", "abs/b", "c"]
    assert rejects(source) == {"x\ny.png": RejectReason.UNDECODABLE_NAME}
    [item, *_] = items(source)
    for uri in (
        item.uri.replace("shard.tar", "other.tar"),
        item.uri.replace("shard.tar", "below/../shard.tar"),
        "file:///etc/passwd#offset=0&size=9",
        "file:///etc/passwd",
    ):
        assert reason_of(source, SourceItem("x", uri, None)) is RejectReason.OUTSIDE_SOURCE


@pytest.mark.parametrize("name", ["shard.tar", "shard.tar.gz"])
def test_large_members_are_rejected_unread(tmp_path: Path, name: str) -> None:
    data = tar(
        ("film.png", FILM),
        ("large.png", PNG + bytes(1000)),
        ("ok.png", PNG),
        ("ok.json", b'"' + b"x" * 100_000 + b'"'),
        ("empty.png", b""),
    )
    written = gzip.compress(data) if name.endswith("gz") else data
    options = SourceOptions(max_bytes=len(PNG) + 500)
    source = source_of(str(put(tmp_path, name, written)), options=options)
    found = rejects(source)
    assert found["large"] is RejectReason.FILE_TOO_LARGE
    assert found["ok.json"] is RejectReason.BAD_ATTRIBUTES
    assert [source.read(item) for item in items(source) if item.key == "ok"] == [PNG]
    for item in items(source):
        if item.key != "ok":
            reason_of(source, item)


def test_a_sample_without_a_picture_or_with_two_is_not_passed_over(tmp_path: Path) -> None:
    data = tar(("a.mp4", FILM), ("a.json", b"{}"), ("b.png", PNG), ("b.mask.png", OTHER_PNG))
    source = source_of(str(put(tmp_path, "shard.tar", data)))
    assert rejects(source) == {
        "a.mp4": RejectReason.NOT_AN_IMAGE,
        "b.mask.png": RejectReason.DUPLICATE_KEY,
    }
    assert [source.read(item) for item in items(source)] == [PNG]


@pytest.mark.parametrize(
    "sidecar", [b"{", b"[]", b'{"a": {}}', b'{"price": "cheap"}', b"\xff", b'{"a": NaN}']
)
def test_attributes_that_cannot_be_stored_reject_their_sample(
    tmp_path: Path, sidecar: bytes
) -> None:
    data = tar(("a.json", b'{"price": 1}'), ("a.png", PNG), ("b.json", sidecar), ("b.png", PNG))
    source = source_of(str(put(tmp_path, "shard.tar", data)))
    assert rejects(source) == {"b": RejectReason.BAD_ATTRIBUTES}
    assert attributes(source) == {"a": {"price": 1}}
