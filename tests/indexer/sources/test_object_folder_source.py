"""Folders of object stores, through the store that comes with fsspec and, where moto is, S3."""

import os
import unicodedata
from collections.abc import Iterator
from types import ModuleType

import fsspec
import httpx
import pytest

from indexer.errors import RejectReason, SourceError
from indexer.sources import source_of
from indexer.sources.base import SourceItem
from indexer.sources.options import SourceOptions
from tests.indexer.sources.source_entries import OTHER_PNG, PNG, items, reason_of, rejects

KEYS = ["a.png", "z/1.png", "z/deep/2.png", "신발/빨간 구두 #1.png", "한글.png"]


@pytest.fixture(params=["memory", "s3"])
def bucket(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "memory":
        yield "memory://shop"
        fsspec.filesystem("memory").store.clear()
        return
    pytest.importorskip("s3fs", reason="S3 comes with the extra s3")
    server = pytest.importorskip("moto.server", reason="a local S3 comes with moto")
    yield from _s3(server, request.getfixturevalue("monkeypatch"))


def _s3(server: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()  # it is one a process
    fsspec.filesystem("s3").mkdir("shop")
    yield "s3://shop"
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    running.stop()


def put(bucket: str, key: str, data: bytes = PNG) -> None:
    fsspec.filesystem(bucket.partition(":")[0]).pipe_file(f"{bucket}/{key}", data)


def test_every_file_below_the_prefix_is_found(bucket: str) -> None:
    for key in KEYS:
        put(bucket, f"photos/{unicodedata.normalize('NFD', key)}")
    put(bucket, "photos/.hidden.png")
    put(bucket, "photos-of-others/b.png")
    source = source_of(f"{bucket}/photos")
    found = items(source)
    assert sorted(item.key for item in found) == sorted(KEYS), "keys are NFC"
    assert items(source) == found
    again = source_of(source.uri)
    assert [again.read(SourceItem("x", item.uri, None)) for item in found] == [PNG] * len(KEYS)
    assert not rejects(source)


def test_a_stamp_changes_with_the_file(bucket: str) -> None:
    source = source_of(f"{bucket}/photos/")
    put(bucket, "photos/a.png")
    put(bucket, "photos/b.png")
    before = {item.key: item.stamp for item in items(source)}
    put(bucket, "photos/a.png", OTHER_PNG)
    after = {item.key: item.stamp for item in items(source)}
    assert None not in before.values()
    assert before["a.png"] != after["a.png"]
    assert before["b.png"] == after["b.png"]


def test_what_is_no_picture_is_rejected(bucket: str) -> None:
    put(bucket, "photos/empty.png", b"")
    put(bucket, "photos/film.png", b"\0\0\0\x18ftypisom" + bytes(500_000))
    put(bucket, "photos/large.png", PNG + bytes(400_000))
    source = source_of(f"{bucket}/photos", options=SourceOptions(max_bytes=500_000))
    assert rejects(source) == {
        "empty.png": RejectReason.EMPTY_FILE,
        "film.png": RejectReason.FILE_TOO_LARGE,
    }
    [large] = items(source)
    assert source.read(large) == PNG + bytes(400_000)
    small = source_of(f"{bucket}/photos", options=SourceOptions(max_bytes=300_000))
    assert reason_of(small, large) is RejectReason.FILE_TOO_LARGE
    film = SourceItem("x", f"{bucket}/photos/film.png", None)
    assert reason_of(small, film) is RejectReason.NOT_AN_IMAGE
    gone = SourceItem("x", f"{bucket}/photos/gone.png", None)
    assert reason_of(source, gone) is RejectReason.GONE
    other = SourceItem("x", f"{bucket}/others/a.png", None)
    assert reason_of(source, other) is RejectReason.OUTSIDE_SOURCE


def test_a_name_that_cannot_be_a_key_is_shown_escaped() -> None:
    put("memory://names", "line\nbreak.png")
    found = rejects(source_of("memory://names"))
    fsspec.filesystem("memory").store.clear()
    assert found == {r"'/names/line\nbreak.png'": RejectReason.UNDECODABLE_NAME}


def test_a_prefix_of_nothing_is_not_taken_for_deleted_pictures(bucket: str) -> None:
    with pytest.raises(SourceError, match="cannot list"):
        list(source_of(f"{bucket}/nothing"))


def test_a_catalogue_of_a_bucket_names_its_pictures(bucket: str) -> None:
    put(bucket, "shop/a.png")
    put(bucket, "beside/b.png", OTHER_PNG)
    rows = f"image,id\na.png,1\n{bucket}/beside/b.png,2\n../beside/b.png,3\nfile:///a.png,4\n"
    put(bucket, "shop/items.csv", rows.encode())
    source = source_of(f"{bucket}/shop/items.csv")
    assert [source.read(item) for item in items(source)] == [PNG, OTHER_PNG]
    assert rejects(source) == dict.fromkeys("34", RejectReason.OUTSIDE_SOURCE)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SourceError, match=r"gs:// needs gcsfs: pip install 'noongil\[gcs\]'"):
        source_of("gs://bucket/photos")
