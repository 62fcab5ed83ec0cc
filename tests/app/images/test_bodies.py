"""The bodies that a PUT may have, and what is said of the others."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from tests.app.shop import (
    assert_problem,
    image_url,
    opened,
    search,
    served,
)
from tests.app.uploads import in_base64, new_shop, png, put_file, put_json, record
from tests.databases import ON_SQLITE
from tests.indexer.pictures.hostile import write_hostile

RED, BLUE = png("red"), png("blue")


@ON_SQLITE
@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "exactly one"),
        ({"url": "https://x.example/a", "base64": ""}, "exactly one"),
        ({"base64": "not base64!"}, "base64"),
        ({"base64": in_base64(RED)[:-3]}, "base64"),
        ({"base64": "그림"}, "base64"),
        ({"base64": "data:image/png;base64," + in_base64(RED)}, "base64"),
        ({"base64": 3}, "body.base64"),
        ({"url": ""}, "body.url"),
        ({"url": "x" * 4097}, "body.url"),
        ({"base64": in_base64(RED), "more": 1}, "body.more"),
        ({"base64": in_base64(RED), "attributes": []}, "body.attributes"),
        ({"base64": in_base64(RED), "attributes": {"a": {"b": 1}}}, "attributes: 'a'"),
        ({"base64": in_base64(RED), "attributes": {"a": [1]}}, "attributes: 'a'"),
        ({"base64": in_base64(RED), "attributes": {"any": 1}}, "'any'"),
        ({"base64": in_base64(RED), "attributes": {"a": "x" * 20_000}}, "bytes of attributes"),
    ],
)
def test_a_body_that_makes_no_sense_names_what_is_wrong(
    shop: TestClient, body: dict[str, Any], named: str
) -> None:
    assert named in assert_problem(put_json(shop, "a", **body), 422, "invalid_request")
    assert_problem(shop.get(image_url("a")), 404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"attributes": {"a": NaN}}',
        b'{"attributes": {"a": 1e999}}',
        b'{"attributes": {"a": "\\ud800"}}',
        b'{"attributes": {"a": "\\u0000"}}',
        b'{"attributes": {"a": 1, "a": 2}}',
        b'{"attributes": {"a": ' + b"9" * 5000 + b"}}",
        b'{"attributes": ' + b'{"a":' * 5000 + b"}" * 5001,
        b'{"\\ud800": 1}',
    ],
)
def test_json_that_cannot_be_stored_is_refused_and_never_echoed(
    shop: TestClient, body: bytes
) -> None:
    put_file(shop, "a", RED, '{"n": 1}')
    headers = {"Content-Type": "application/json"}
    picture = f'"base64": "{in_base64(RED)}", '.encode()
    for answer in (
        shop.put(image_url("a"), content=body.replace(b"{", b"{" + picture, 1), headers=headers),
        shop.patch(image_url("a"), content=body, headers=headers),
    ):
        assert_problem(answer, 422, "invalid_request")
    assert record(shop, "a")["attributes"] == {"n": 1}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_base64_may_be_broken_into_lines(shop: TestClient, line_end: str) -> None:
    broken = base64.encodebytes(RED).decode().replace("\n", line_end)
    assert broken.count(line_end) > 1
    assert put_json(shop, "a", base64=broken).status_code == 201


FILE = ("file", ("a.png", RED))


@ON_SQLITE
@pytest.mark.parametrize(
    ("files", "data", "why"),
    [
        ([], {"file": "text"}, "with a file name"),
        ([("other", ("a.png", RED))], {}, "one file"),
        ([FILE, FILE], {}, "one file"),
        ([FILE], {"more": "1"}, "one file"),
        ([FILE], {"attributes": "[]"}, "JSON object"),
        ([FILE], {"attributes": "{"}, "JSON object"),
        ([FILE], {"attributes": '{"a": NaN}'}, "JSON"),
        ([FILE], {"attributes": '{"a": {}}'}, "attributes: 'a'"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(
    shop: TestClient, files: list[Any], data: dict[str, str], why: str
) -> None:
    # Without files httpx sends no multipart: an empty one makes it.
    sent = files or [("unused", ("", b""))]
    answer = shop.put(image_url("a"), files=sent, data=data)
    assert "one file" in answer.text if not files else why in answer.text
    assert_problem(answer, 422, "invalid_request")


def test_attributes_may_come_as_a_file(shop: TestClient) -> None:
    parts = [FILE, ("attributes", ("a.json", b'{"\xea\xb0\x80": 1}', "application/json"))]
    assert shop.put(image_url("a"), files=parts).json()["attributes"] == {"가": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no parts",
        b"--b\r\n\r\n--b--",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="attributes"\r\n\r\n'
        + b"x" * 200_000
        + b"\r\n--b--\r\n",
        # Starlette leaves the file of the half part to the garbage collector.
        pytest.param(
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + RED,
            marks=pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
        ),
    ],
)
def test_a_broken_form_is_the_clients_fault(shop: TestClient, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = shop.put(image_url("a"), content=body, headers=headers)
    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert_problem(shop.get(image_url("a")), 404, "not_found")


@pytest.mark.parametrize("kind", ["", "image/png", "text/plain", "application/octet-stream"])
def test_other_bodies_are_not_guessed_at(shop: TestClient, kind: str) -> None:
    headers = {"Content-Type": kind}
    for answer in (
        shop.put(image_url("a"), content=RED, headers=headers),
        shop.patch(image_url("a"), content=b'{"attributes": {}}', headers=headers),
    ):
        assert_problem(answer, 415, "unsupported_media_type")


def test_a_body_over_the_limit_is_refused(settings: Settings) -> None:
    with opened(settings.model_copy(update={"max_body_bytes": 1000})) as client:
        new_shop(client)
        for answer in (
            put_file(client, "a", b"x" * 2000),
            put_json(client, "a", base64="x" * 2000),
        ):
            assert_problem(answer, 413, "body_too_large")
        assert put_file(client, "a", RED).status_code == 201


def test_nothing_hostile_gets_in(shop: TestClient, settings: Settings, tmp_path: Path) -> None:
    for name, reason in write_hostile(tmp_path / "hostile").items():
        answer = put_file(shop, name, (tmp_path / "hostile" / name).read_bytes())
        assert assert_problem(answer, 422, "image_rejected").startswith(f"{reason}:")
    assert shop.get("/v1/collections/shop").json()["images"] == 0
    assert [path for path in settings.data_dir.rglob("*") if "pictures" in str(path)] == []
    assert 'noongil_rejected_total{reason="truncated"}' in shop.get("/metrics").text


def test_the_api_describes_its_bodies(client: TestClient) -> None:
    described = json.loads(client.get("/openapi.json").text)["paths"]
    images = described["/v1/collections/{collection}/images/{key}"]
    assert {"multipart/form-data", "application/json"} <= images["put"]["requestBody"][
        "content"
    ].keys()
    assert "requestBody" in images["patch"]
    assert "requestBody" in described["/v1/collections/{collection}/images:batch"]["post"]


def test_a_server_over_a_socket_takes_a_form(settings: Settings) -> None:
    with served(settings) as client:
        new_shop(client)
        assert put_file(client, "a", RED).status_code == 201
        assert isinstance(client, httpx.Client)
        assert search(client, text="red") == ["a"]
