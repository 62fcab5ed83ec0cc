"""Catalogues, shards and lists of the web: what they name is fetched, and nothing else."""

import gzip
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from indexer.errors import RejectReason, SourceError
from indexer.sources import source_of
from indexer.sources.base import SourceItem
from indexer.sources.options import SourceOptions
from indexer.sources.web.fetch import FetchOptions, fetcher_of
from tests.indexer.sources.picture_server import Handler, PictureServer, picture_server
from tests.indexer.sources.source_entries import (
    OTHER_PNG,
    PNG,
    attributes,
    is_incomplete,
    items,
    put,
    rejects,
    tar,
)

LOOPBACK = FetchOptions(allowed_networks=("127.0.0.0/8",), backoff_seconds=0.001)


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with picture_server() as running, closing(fetcher_of(LOOPBACK)):
        yield running


def test_a_catalogue_of_the_web_names_pictures_of_the_web(server: PictureServer) -> None:
    server.put("/shop/photos/a%20b.png", PNG)
    server.put("/elsewhere.png", OTHER_PNG)
    rows = ["photos/a b.png", f"{server.url}/elsewhere.png", "/etc/a.png", "../b.png",
            "file:///etc/a.png", "s3://private/a.png", "memory://private/a.png"]  # fmt: skip
    body = "\n".join(json.dumps({"image": row, "n": n}) for n, row in enumerate(rows))
    url = server.put("/shop/items.jsonl.gz?token=1", gzip.compress(body.encode()))
    source = source_of(url, options=SourceOptions(fetch=LOOPBACK))
    found = items(source)
    assert [source.read(item) for item in found] == [PNG, OTHER_PNG]
    assert attributes(source) == {rows[0]: {"n": 0}, rows[1]: {"n": 1}}
    assert rejects(source) == dict.fromkeys(rows[2:], RejectReason.OUTSIDE_SOURCE)


def test_a_catalogue_that_cannot_be_fetched_is_an_error(server: PictureServer) -> None:
    with pytest.raises(SourceError, match="answers 404"):
        list(source_of(f"{server.url}/none.csv", options=SourceOptions(fetch=LOOPBACK)))
    with pytest.raises(SourceError, match="address_refused"):
        list(source_of(f"{server.url}/none.csv"))


@pytest.mark.parametrize("ranges", [True, False])
def test_shards_of_the_web_are_streamed_and_read_again_in_part(
    server: PictureServer, *, ranges: bool
) -> None:
    shard = tar(("a.png", PNG), ("a.json", b'{"x": 1}'), ("b.png", OTHER_PNG))
    server.put("/00.tar", shard, ETag='"1"')
    source = source_of(f"{server.url}/{{00..00}}.tar", options=SourceOptions(fetch=LOOPBACK))
    found = items(source)
    assert [(item.key, item.attributes, item.stamp) for item in found] == [
        ("a", {"x": 1}, '"1"'),
        ("b", None, '"1"'),
    ]
    assert server.asked["/00.tar"] == 1
    assert [source.read(item) for item in found] == [PNG, OTHER_PNG]
    if ranges:
        server.put("/00.tar", shard, status=206)
    later = [SourceItem(item.key, item.uri, item.stamp) for item in found]
    assert [source.read(item) for item in later] == [PNG, OTHER_PNG]


def test_a_catalogue_that_comes_at_the_second_try_is_read(server: PictureServer) -> None:
    url = server.then(
        "/items.csv",
        lambda handler: handler.answer(502, {}, b""),
        lambda handler: handler.answer(200, {}, f"image\n{server.url}/a.png\n".encode()),
    )
    assert len(items(source_of(url, options=SourceOptions(fetch=LOOPBACK)))) == 1


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n\r\nimage\n"])
def test_a_catalogue_that_drips_is_left(server: PictureServer, start: bytes) -> None:
    stop = threading.Event()

    def drip(handler: Handler) -> None:
        handler.wfile.write(start)
        while not stop.wait(0.02):
            handler.wfile.write(b"X")

    server.pages["/items.csv"] = drip
    options = FetchOptions(("127.0.0.0/8",), total_seconds=0.3, backoff_seconds=0.001)
    with pytest.raises(SourceError, match="fetch_failed"):
        list(source_of(f"{server.url}/items.csv", options=SourceOptions(fetch=options)))
    stop.set()
    fetcher_of(options).close()


def test_a_shard_that_breaks_off_keeps_what_came_before(server: PictureServer) -> None:
    shard = tar(("a.png", PNG), ("b.png", OTHER_PNG), ("c.png", PNG))

    def cut(handler: Handler) -> None:
        size = len(PNG) // 512 * 512 + 2048
        handler.answer(200, {"Content-Length": str(len(shard))}, shard[:size])
        handler.close_connection = True

    server.pages["/a.tar"] = cut
    found = list(source_of(f"{server.url}/a.tar", options=SourceOptions(fetch=LOOPBACK)))
    assert [item.key for item in items(found)] == ["a"]
    assert is_incomplete(found)


def test_a_local_list_of_urls_is_fetched(server: PictureServer, tmp_path: Path) -> None:
    urls = [server.put(f"/{number}.png", PNG) for number in range(20)]
    listed = put(tmp_path, "urls.txt", "\n".join(urls).encode())
    source = source_of(str(listed), options=SourceOptions(fetch=LOOPBACK))
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(source.read, source)) == {PNG}
