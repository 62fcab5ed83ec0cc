"""Batches: each line is answered in its turn, and what is answered as done is done."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from app.config import Settings
from app.images import batch
from app.images.lines import lines
from app.images.writer import ImageWriter
from tests.app.shop import assert_problem, image_url, opened, search, served
from tests.app.uploads import in_base64, new_shop, png, put_file, record

URL = "/v1/collections/shop/images:batch"
HEADERS = {"Content-Type": "application/x-ndjson"}
RED, BLUE = in_base64(png("red")), in_base64(png("blue"))


def ndjson(items: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def send(client: httpx.Client, body: bytes) -> list[dict[str, Any]]:
    response = client.post(URL, content=body, headers=HEADERS)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def summary(results: list[dict[str, Any]]) -> list[tuple[int, str | None, int]]:
    return [(each["line"], each["id"], each["status"]) for each in results]


def test_lines_are_done_and_answered_in_their_order(shop: TestClient) -> None:
    results = send(
        shop,
        ndjson(
            [
                {"id": "a", "base64": RED, "attributes": {"n": 1}},
                {"op": "put", "id": "나", "base64": BLUE},
                {"id": "a", "base64": RED},
                {"op": "patch", "id": "a", "attributes": {"m": 2}},
                {"op": "delete", "id": "나"},
                {"op": "delete", "id": "나"},
                {"op": "delete", "id": "never"},
                {"op": "patch", "id": "나", "attributes": {}},
                {"id": "a", "base64": BLUE},
            ]
        ),
    )
    assert summary(results) == [
        (1, "a", 201),
        (2, "나", 201),
        (3, "a", 200),
        (4, "a", 200),
        (5, "나", 204),
        (6, "나", 204),
        (7, "never", 404),
        (8, "나", 404),
        (9, "a", 200),
    ]
    assert record(shop, "a")["attributes"] == {"n": 1, "m": 2}
    assert search(shop, text="blue") == ["a"]


def test_a_bad_line_is_answered_and_the_others_go_on(shop: TestClient) -> None:
    body = b"\n".join(
        [
            json.dumps({"id": "first", "base64": RED}).encode(),
            b"",
            b"  \r",
            b"{nonsense",
            b"\xff\xfe",
            b"[]",
            b'{"id": "x"}',
            b'{"id": "x/similar", "base64": ""}',
            b'{"id": "x", "base64": "!"}',
            b'{"id": "x", "base64": ""}',
            b'{"id": "x", "base64": "aGVsbG8="}',
            b'{"op": [1], "id": "x"}',
            b'{"op": "delete", "id": "x", "more": 1}',
            b'{"op": "patch", "id": "x", "attributes": {"a": NaN}}',
            b'{"op": "patch", "id": "x", "attributes": {"a": {}}}',
            b'{"op": "delete", "id": "\\ud800"}',
            b'{"\\ud800": 1, "id": "x", "base64": ""}',
            b'{"id": "x", "url": "http://127.0.0.1:1/"}',
            json.dumps({"id": "last", "base64": BLUE}).encode(),
        ]
    )
    results = send(shop, body)
    assert [each["line"] for each in results] == [1, *range(4, 20)]
    assert [each["status"] for each in results] == [201, *[422] * 15, 201]
    codes = {each["line"]: each["code"] for each in results[1:-1]}
    rejected = {line for line, code in codes.items() if code == "image_rejected"}
    assert rejected == {10, 11, 18}
    assert {codes[line] for line in codes.keys() - rejected} == {"invalid_request"}
    assert all(each["detail"] for each in results[1:-1])
    assert {each["id"] for each in results} == {"first", None, "x", "last"}
    assert set(search(shop, text="red")) == {"first", "last"}


def test_a_line_that_is_too_long_is_passed_over(settings: Settings) -> None:
    with opened(settings.model_copy(update={"max_body_bytes": 1000})) as client:
        new_shop(client)
        good = {"id": "a", "base64": RED}
        results = send(client, ndjson([good, {"id": "x" * 5000}, good | {"id": "b"}]) + b"y" * 1001)
        assert summary(results) == [(1, "a", 201), (2, None, 413), (3, "b", 201), (4, None, 413)]
        assert results[1]["code"] == "body_too_large"


def test_a_batch_over_its_limit_ends_with_the_reason(settings: Settings) -> None:
    with opened(settings.model_copy(update={"max_batch_bytes": 3000})) as client:
        new_shop(client)
        body = ndjson({"id": str(number), "base64": RED} for number in range(50))
        (only,) = send(client, body)
        assert (only["line"], only["status"], only["code"]) == (1, 413, "body_too_large")
        assert client.get("/v1/collections/shop").json()["images"] == 0


def test_more_lines_than_a_batch_has_are_not_done(
    shop: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MAX_LINES", 3)
    results = send(shop, ndjson({"op": "delete", "id": str(number)} for number in range(9)))
    assert [(each["line"], each["code"]) for each in results] == [
        *((line, "not_found") for line in (1, 2, 3)),
        (4, "too_many_lines"),
    ]


@pytest.mark.parametrize("body", [b"", b"\n\n \n"])
def test_a_batch_of_nothing_is_answered_with_nothing(shop: TestClient, body: bytes) -> None:
    assert send(shop, body) == []


def test_what_is_wrong_with_the_whole_is_a_problem(shop: TestClient) -> None:
    line = ndjson([{"op": "delete", "id": "a"}])
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = shop.post(URL, content=line, headers={"Content-Type": kind})
        assert_problem(answer, 415, "unsupported_media_type")
    gone = shop.post(URL.replace("shop", "other"), content=line, headers=HEADERS)
    assert_problem(gone, 404, "unknown_collection")


def test_a_group_that_the_database_refuses_is_answered_so_and_later_ones_go_on(
    shop: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_GROUP", 1)
    engine = shop.app_state["database"].engine
    failing = iter([False, True, False])

    def commit(_: object) -> None:
        if next(failing):
            raise OperationalError("COMMIT", {}, Exception("the disk is full: secret"))

    put_lines = ndjson({"id": key, "base64": RED} for key in "abc")
    event.listen(engine, "commit", commit)
    try:
        results = send(shop, put_lines)
    finally:
        event.remove(engine, "commit", commit)
    assert summary(results) == [(1, "a", 201), (2, "b", 503), (3, "c", 201)]
    assert results[1]["code"] == "catalog_unavailable"
    assert "secret" not in results[1]["detail"]
    assert set(search(shop, text="red")) == {"a", "c"}


def test_lines_that_are_ready_together_are_committed_together(shop: TestClient) -> None:
    put_file(shop, "a", png("red"))
    before = shop.get("/v1/collections/shop").json()["change_number"]
    send(shop, ndjson({"op": "patch", "id": "a", "attributes": {"n": n}} for n in range(512)))
    commits = shop.get("/v1/collections/shop").json()["change_number"] - before
    assert 8 <= commits < 512, "64 lines at most to a transaction"


class Conversation:
    """A batch over a real socket, a part at a time."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        head = (f"POST {URL} HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked")
        kind = "Content-Type: application/x-ndjson"
        client.sendall("\r\n".join([*head, kind, "", ""]).encode())
        self._answers = client.makefile("rb")
        self._is_begun = False

    def say(self, data: bytes) -> None:
        self._client.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end(self) -> None:
        self._client.sendall(b"0\r\n\r\n")

    def answers(self) -> Iterator[dict[str, Any]]:
        """Chunk by chunk, as they come."""
        if not self._is_begun:
            assert b" 200 " in self._answers.readline()
            while self._answers.readline() != b"\r\n":
                pass
            self._is_begun = True
        while size := int(self._answers.readline(), 16):
            chunk = self._answers.read(size + 2)
            yield from map(json.loads, chunk[:-2].splitlines())

    def close(self) -> None:
        self._answers.close()


@contextmanager
def conversation(client: httpx.Client) -> Iterator[Conversation]:
    url = client.base_url
    with (
        socket.create_connection((url.host, url.port or 80), timeout=20) as raw,
        closing(Conversation(raw)) as talk,
    ):
        yield talk


@pytest.fixture
def server(settings: Settings) -> Iterator[httpx.Client]:
    with served(settings) as client:
        new_shop(client)
        yield client


def test_who_sends_line_by_line_is_answered_line_by_line(server: httpx.Client) -> None:
    with conversation(server) as talk:
        answers = talk.answers()
        for number in range(5):
            half = len(line := ndjson([{"id": str(number), "base64": RED}])) // 2
            talk.say(line[:half])
            talk.say(line[half:])
            assert next(answers) == {"line": number + 1, "id": str(number), "status": 201}
            assert record(server, str(number)), "it is there while the batch goes on"
        talk.say(b'{"op": "delete", "id": "0"}')
        talk.end()
        assert [each["status"] for each in answers] == [204]


def test_who_sends_all_before_reading_is_answered_all(server: httpx.Client) -> None:
    """Results that nobody reads yet fill no pipe that a line would wait behind."""
    put_file(server, "a", png("red"))
    padding = "x" * 3000
    with conversation(server) as talk:
        for number in range(4000):
            talk.say(ndjson([{"op": "delete", "id": f"{number}-{padding[:1000]}"}]))
        talk.end()
        answers = list(talk.answers())
    assert [each["line"] for each in answers] == list(range(1, 4001))
    assert {each["status"] for each in answers} == {404}


def test_what_was_answered_stays_when_the_client_goes(server: httpx.Client) -> None:
    with conversation(server) as talk:
        talk.say(ndjson([{"id": "a", "base64": RED}, {"id": "b", "base64": RED}]))
        answers = talk.answers()
        assert [next(answers)["status"], next(answers)["status"]] == [201, 201]
        talk.say(ndjson([{"id": "c", "base64": RED}])[:-20])
    assert set(search(server, text="red")) == {"a", "b"}
    send(server, ndjson([{"id": "d", "base64": BLUE}]))
    assert search(server, text="blue")[0] == "d", "the server has forgotten about it"
    assert_problem(server.get(image_url("c")), 404, "not_found")


def test_a_batch_that_grows_over_its_limit_keeps_what_came_within_it(settings: Settings) -> None:
    with served(settings.model_copy(update={"max_batch_bytes": 3000})) as client:
        new_shop(client)
        with conversation(client) as talk:
            talk.say(ndjson({"id": str(number), "base64": RED} for number in range(5)))
            answers = talk.answers()
            assert [next(answers)["status"] for _ in range(5)] == [201] * 5
            talk.say(b"x" * 3000)
            assert [each["code"] for each in answers] == ["body_too_large"]
        assert client.get("/v1/collections/shop").json()["images"] == 5


def test_so_many_batches_and_no_more(shop: TestClient) -> None:
    writer: ImageWriter = shop.app_state["writer"]
    writer.batches = asyncio.Semaphore(0)
    assert_problem(shop.post(URL, content=b"\n", headers=HEADERS), 503, "overloaded")
    writer.batches = asyncio.Semaphore(1)
    for _ in range(2):
        assert send(shop, b"\n") == []


def test_room_that_lines_take_is_given_back(shop: TestClient) -> None:
    admission = shop.app_state["writer"].intake.reader.admission
    admission._max_bytes = 3 * len(RED)
    results = send(shop, ndjson({"id": str(number), "base64": RED} for number in range(200)))
    assert {each["status"] for each in results} == {201}
    assert admission._bytes == 0


@given(
    body=st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\n\n", b"d" * 9])).map(b"".join),
    cuts=st.lists(st.integers(1, 7), min_size=1),
)
def test_lines_are_the_same_however_they_arrive(body: bytes, cuts: list[int]) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        start, number = 0, 0
        while start < len(body):
            size = cuts[number % len(cuts)]
            yield body[start : start + size]
            start, number = start + size, number + 1

    async def found() -> list[bytes | None]:
        return [line async for line in lines(chunks(), 8)]

    expected = body.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert asyncio.run(found()) == [line if len(line) <= 8 else None for line in expected]
