"""Pictures that are asked with: as a PUT takes them, and nothing of them is kept on disk."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from app.config import Settings
from app.embed import pictures
from app.errors import AtCapacity
from app.search.pictures import embedder_of
from indexer.catalog.tables import Embedding, Image
from indexer.errors import Rejected, RejectReason
from models.encoding import encode_texts
from models.errors import DeadlineExceeded
from models.types import Embeddings
from tests.app.shop import assert_problem, index, opened, refresh
from tests.app.uploads import in_base64, png, put_json
from tests.indexer.sources.picture_server import Handler, PictureServer, picture_server
from tests.tiny_encoder import TinyEncoder

RED, BLUE = png("red"), png("blue")
Ask = Callable[..., Embeddings]


@pytest.fixture
def web() -> Iterator[PictureServer]:
    with picture_server() as server:
        yield server


@pytest.fixture
def server(settings: Settings, photos: Path) -> Iterator[TestClient]:
    """With the collection `shop`; it may fetch from loopback."""
    allowed = Settings(**settings.model_dump() | {"fetch_allowed_networks": ["127.0.0.0/8"]})
    with opened(allowed) as client:
        index(allowed, photos)
        refresh(client)
        yield client


@pytest.fixture
def ask(server: TestClient) -> Ask:
    """What a search does with a picture."""

    def asked(*, url: str | None = None, base64: str | None = None, seconds: float = 20) -> Any:
        state = server.app_state
        reference, deadline = SimpleNamespace(url=url, base64=base64), time.monotonic() + seconds
        embedder = embedder_of(state["serving"].get("shop"))
        assert server.portal is not None
        return server.portal.call(state["pictures"].embedding, embedder, reference, deadline)

    return asked


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches of pictures that were encoded."""
    sizes: list[int] = []
    encode = TinyEncoder.encode_pixels

    def counted(encoder: TinyEncoder, batch: Any) -> Any:
        sizes.append(len(batch))
        return encode(encoder, batch)

    monkeypatch.setattr(TinyEncoder, "encode_pixels", counted)
    return sizes


def test_a_picture_lies_where_its_like_do_however_it_comes(ask: Ask, web: PictureServer) -> None:
    expected = encode_texts(TinyEncoder(), ["red"])
    for found in (ask(base64=in_base64(RED)), ask(url=web.put("/red.png", RED))):
        assert (found.shape, found.dtype) == ((1, 192), np.float32)
        assert np.allclose(found, expected, atol=1e-6)


def test_the_same_bytes_are_encoded_once(ask: Ask, web: PictureServer, encoded: list[int]) -> None:
    first = ask(base64=in_base64(RED))
    assert np.array_equal(ask(url=web.put("/red.png", RED)), first)
    ask(base64=in_base64(BLUE))
    assert encoded == [1, 1]


def test_another_encoder_sees_them_anew(server: TestClient, encoded: list[int]) -> None:
    server.post("/v1/collections", json={"name": "other", "model": "tiny:2"})
    for _ in range(2):
        for model in ("tiny", "tiny:2"):
            body = {"images": [{"base64": in_base64(RED)}], "model": model}
            assert server.post("/v1/embed", json=body).json()["model"] == model
    assert encoded == [1, 1]


def test_what_is_remembered_is_bounded(
    ask: Ask, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_KEPT", 2)
    red, blue, green = (in_base64(png(colour)) for colour in ("red", "blue", "green"))
    for picture in (red, blue, red, green, red):
        ask(base64=picture)
    assert len(encoded) == 3
    ask(base64=blue)
    assert len(encoded) == 4, "the one that was asked with least recently went"


def test_nothing_is_stored(ask: Ask, server: TestClient, settings: Settings) -> None:
    def traces() -> tuple[list[Path], list[int]]:
        with server.app_state["database"].read() as session:
            rows = [session.scalar(select(func.count()).select_from(t)) for t in (Image, Embedding)]
        return sorted(settings.data_dir.rglob("*")), [count or 0 for count in rows]

    before = traces()
    ask(base64=in_base64(png("yellow")))
    assert traces() == before


def test_it_fails_as_a_put_fails(ask: Ask, server: TestClient, web: PictureServer) -> None:
    for given in (
        {"base64": in_base64(b"hello")},
        {"base64": in_base64(RED[: len(RED) // 2])},
        {"url": web.put("/page", b"<!doctype html><p>secret of the house")},
        {"url": web.put("/none", status=404)},
        {"url": "file:///etc/passwd"},
    ):
        with pytest.raises(Rejected) as rejected:
            ask(**given)
        assert "secret" not in rejected.value.detail
        put = put_json(server, "a", **given)
        assert assert_problem(put, 422, "image_rejected") == str(rejected.value)
        for url, body in (
            ("/v1/classify", {"image": given, "labels": ["a", "b"]}),
            ("/v1/collections/shop/search", {"text": "red", "image": given}),
        ):
            asked = server.post(url, json=body)
            assert assert_problem(asked, 422, "image_rejected") == f"image: {rejected.value}"


def test_private_addresses_are_not_asked(shop: TestClient, web: PictureServer) -> None:
    url = web.put("/red.png", RED)
    answer = shop.post("/v1/classify", json={"image": {"url": url}, "labels": ["a", "b"]})
    detail = assert_problem(answer, 422, "image_rejected")
    assert detail.startswith(f"image: {RejectReason.ADDRESS_REFUSED}")
    assert "127.0.0.1" not in detail
    assert not web.asked


def test_pictures_of_a_search_are_fetched_together(server: TestClient, web: PictureServer) -> None:
    """One after the other, each with a time limit of its own, they would take minutes."""
    everyone = threading.Barrier(4, timeout=20)

    def together(handler: Handler) -> None:
        everyone.wait()
        handler.answer(200, {}, RED)

    urls = [web.then(f"/{number}.png", together) for number in range(everyone.parties)]
    body = {"queries": [{"image": {"url": url}} for url in urls]}
    found = server.post("/v1/collections/shop/search", json=body)
    assert found.status_code == 200, found.text
    assert found.json()["hits"][0]["id"] == "red.png"


def test_what_a_url_leads_to_may_change(server: TestClient, web: PictureServer) -> None:
    """An answer that is kept would go on showing the like of the old picture."""
    for colour, picture in (("red", RED), ("blue", BLUE)):
        body = {"image": {"url": web.put("/today.png", picture)}, "k": 1}
        found = server.post("/v1/collections/shop/search", json=body).json()
        assert found["hits"][0]["id"] == f"{colour}.png"


def test_who_has_no_time_is_told_so(ask: Ask) -> None:
    with pytest.raises(DeadlineExceeded):
        ask(base64=in_base64(RED), seconds=0)


def test_pictures_wait_for_room_with_those_that_are_put(
    ask: Ask, server: TestClient, web: PictureServer
) -> None:
    admission = server.app_state["pictures"].reader.admission
    assert admission is server.app_state["writer"].intake.reader.admission
    admission._max_bytes, admission._patience, admission._bytes = 1, 0.05, 1
    with pytest.raises(AtCapacity):
        ask(url=web.put("/red.png", RED))
    body = {"images": [{"base64": in_base64(RED)}]}
    assert_problem(server.post("/v1/embed", json=body), 503, "overloaded")
    large = {"image": {"base64": "A" * 100_000}}
    searched = server.post("/v1/collections/shop/search", json=large)
    assert_problem(searched, 503, "overloaded")
    admission._bytes = 0
    assert server.post("/v1/embed", json=body).status_code == 200
    assert admission._bytes == 0, "the room is given back"
