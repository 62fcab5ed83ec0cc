"""Pictures that the server fetches."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from tests.app.shop import (
    assert_problem,
    opened,
)
from tests.app.uploads import new_shop, png, put_json, thumbnail_of
from tests.indexer.sources.picture_server import PictureServer, picture_server

RED, BLUE = png("red"), png("blue")


@pytest.fixture
def web() -> Iterator[PictureServer]:
    with picture_server() as server:
        yield server


@pytest.fixture
def fetching(settings: Settings) -> Iterator[TestClient]:
    """A client whose server may fetch from loopback."""
    allowed = Settings(**settings.model_dump() | {"fetch_allowed_networks": ["127.0.0.0/8"]})
    with opened(allowed) as client:
        new_shop(client)
        yield client


def test_a_picture_is_fetched(fetching: TestClient, web: PictureServer) -> None:
    url = web.put("/red.png", RED)
    answer = put_json(fetching, "a", url=url, attributes={"n": 1})
    assert answer.status_code == 201
    assert (answer.json()["uri"], answer.json()["attributes"]) == (url, {"n": 1})
    assert put_json(fetching, "a", url=url).json()["status"] == "unchanged"
    web.put("/red.png", status=404)
    assert thumbnail_of(fetching, "a"), "the picture was kept"


def test_what_cannot_be_fetched_says_why(fetching: TestClient, web: PictureServer) -> None:
    for url, reason in (
        (web.put("/page", b"<!doctype html><p>secret of the house"), "not_an_image"),
        (web.put("/none", status=404), "gone"),
        (web.put("/refused", status=403), "fetch_failed"),
        ("ftp://127.0.0.1/a", "address_refused"),
        ("file:///etc/passwd", "address_refused"),
        ("memory://a", "address_refused"),
        ("http://a:b@127.0.0.1/", "address_refused"),
    ):
        detail = assert_problem(put_json(fetching, "a", url=url), 422, "image_rejected")
        assert detail.startswith(f"{reason}:")
        assert "secret" not in detail


def test_private_addresses_are_not_asked(shop: TestClient, web: PictureServer) -> None:
    url = web.put("/red.png", RED)
    for asked in (url, url.replace("127.0.0.1", "localhost")):
        detail = assert_problem(put_json(shop, "a", url=asked), 422, "image_rejected")
        assert detail.startswith("address_refused:")
        assert "127.0.0.1" not in detail, "a stranger learns nothing of how names resolve here"
    assert not web.asked


def test_a_fetched_file_may_be_no_larger_than_a_sent_one(
    settings: Settings, web: PictureServer
) -> None:
    small = settings.model_dump() | {
        "fetch_allowed_networks": ["127.0.0.0/8"],
        "max_body_bytes": 5000,
    }
    with opened(Settings(**small)) as client:
        new_shop(client)
        answer = put_json(client, "a", url=web.put("/large.png", RED + b"\0" * 5000))
    assert assert_problem(answer, 422, "image_rejected").startswith("file_too_large")
