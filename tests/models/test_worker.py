"""A worker that dies, stops, changes or is attacked: no caller waits, none gets a wrong answer."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from websockets.asyncio.client import unix_connect
from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from models.encoding import encode_texts
from models.errors import (
    DeadlineExceeded,
    DeviceLost,
    EncoderAway,
    ModelError,
    ModelUnavailable,
    Overloaded,
)
from models.worker import frames
from models.worker.addresses import addresses
from models.worker.client import EncoderClient
from models.worker.frames import Hello
from models.worker.server import Address
from tests.models.scripted import ScriptedEncoder
from tests.models.workers import WorkerProcess, until, worker_on_a_thread
from tests.tiny_encoder import TinyEncoder

pytestmark = pytest.mark.anyio


@pytest.fixture
def uds(tmp_path: Path) -> Path:
    return tmp_path / "encoder.sock"


@pytest.fixture
def process(uds: Path) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(uds, ["--model", "tiny"])
    yield worker
    worker.close()


def soon(seconds: float = 20) -> float:
    return time.monotonic() + seconds


async def comes_back(client: EncoderClient) -> np.ndarray:
    """The first answer after the worker was away."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await client.embed_texts(["back"], soon())
            except EncoderAway:
                await asyncio.sleep(0.05)


class Load:
    """Queries without end; what became of each."""

    def __init__(self, client: EncoderClient) -> None:
        self.answered = self.away = 0
        self._client = client
        self._tasks = [asyncio.create_task(self._ask(n)) for n in range(20)]
        self._going_on = True

    async def stop(self) -> None:
        self._going_on = False
        async with asyncio.timeout(20):
            await asyncio.gather(*self._tasks)

    async def _ask(self, number: int) -> None:
        count = 0
        while self._going_on:
            count += 1
            text = f"{number} {count}"
            try:
                found = await self._client.embed_texts([text], soon())
            except EncoderAway:
                self.away += 1
                await asyncio.sleep(0.01)
            else:
                assert np.array_equal(found, encode_texts(TinyEncoder(), [text]))
                self.answered += 1


async def test_a_worker_killed_under_load_is_an_error_at_once_and_comes_back(
    process: WorkerProcess, uds: Path
) -> None:
    await asyncio.to_thread(process.wait_until_ready)
    client = EncoderClient(f"unix://{uds}")
    await client.open()
    load = Load(client)
    await asyncio.sleep(0.5)
    process.kill()
    await asyncio.sleep(0.5)
    assert load.answered > 100
    assert load.away > 20
    assert client.away is not None
    again = WorkerProcess(uds, ["--model", "tiny"])
    try:
        await asyncio.to_thread(again.wait_until_ready)
        await comes_back(client)
        answered = load.answered
        await asyncio.sleep(0.5)
        await load.stop()
        assert load.answered > answered
        assert client.away is None
    finally:
        again.close()
        await client.close()


async def test_a_worker_told_to_stop_answers_what_it_has(uds: Path) -> None:
    encoder = ScriptedEncoder()
    with worker_on_a_thread(encoder, Address(uds=uds)) as (url, server):
        client = EncoderClient(url)
        await client.open()
        encoder.forget()
        encoder.hold()
        asked = [asyncio.create_task(client.embed_texts([f"{n}"], soon())) for n in range(10)]
        await asyncio.to_thread(encoder.started.acquire)
        await asyncio.sleep(0.1)
        server.should_exit = True
        await asyncio.sleep(0.3)
        late = asyncio.create_task(client.embed_texts(["late"], soon()))
        await asyncio.sleep(0.1)
        encoder.release()
        answers = await asyncio.gather(*asked, late, return_exceptions=True)
        assert [type(answer) for answer in answers] == [np.ndarray] * 10 + [EncoderAway]
        await client.close()


async def test_a_process_told_to_stop_ends_cleanly(process: WorkerProcess, uds: Path) -> None:
    await asyncio.to_thread(process.wait_until_ready)
    client = EncoderClient(f"unix://{uds}")
    await client.open()
    load = Load(client)
    await asyncio.sleep(0.3)
    assert await asyncio.to_thread(process.terminate) in {0, -15}
    await asyncio.sleep(0.1)
    await load.stop()
    assert load.answered > 0
    await client.close()


async def test_a_worker_that_is_not_there_is_said_at_once(uds: Path) -> None:
    client = EncoderClient(f"unix://{uds}")
    await client.open()
    started = time.monotonic()
    with pytest.raises(EncoderAway, match="is away"):
        await client.embed_texts(["a"], soon())
    with pytest.raises(EncoderAway, match="is away"):
        _ = client.spec
    assert time.monotonic() - started < 10
    await client.close()


async def test_a_refusal_by_the_worker_reaches_whoever_asked(uds: Path) -> None:
    """One server's load is another's overload."""
    with worker_on_a_thread(ScriptedEncoder(0.02), Address(uds=uds)) as (url, _):
        greedy, modest = EncoderClient(url), EncoderClient(url)
        await greedy.open()
        await modest.open()
        load = [asyncio.create_task(greedy.embed_texts([f"{n}"], soon(60))) for n in range(300)]
        await asyncio.sleep(0.1)
        started = time.monotonic()
        with pytest.raises(Overloaded) as refused:
            await modest.embed_texts(["a", "b"], soon(0.5))
        assert refused.value.retry_after > 0
        assert time.monotonic() - started < 0.4
        for task in load:
            task.cancel()
        await asyncio.wait(load)
        await greedy.close()
        await modest.close()


async def test_a_worker_that_falls_silent_is_noticed(process: WorkerProcess, uds: Path) -> None:
    await asyncio.to_thread(process.wait_until_ready)
    client = EncoderClient(f"unix://{uds}")
    await client.open()
    os.kill(process.pid, signal.SIGSTOP)
    try:
        picture = Image.new("RGB", (2000, 1000))
        with pytest.raises((EncoderAway, DeadlineExceeded)):
            await client.embed_images([picture] * 4, soon(1))
        await until(lambda: client.away is not None)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert len(await comes_back(client)) == 1
    await client.close()


@pytest.mark.parametrize(
    "reply",
    [
        b"no frame",
        "text",
        frames.pack({"id": [1], "kind": "rows"}),
        frames.pack({"id": 0, "kind": "error", "error": "__doc__", "detail": None}),
        frames.pack({"id": 0, "kind": "error", "error": "Overloaded", "retry_after": "soon"}),
        frames.pack({"id": 0, "kind": "rows", "shape": [1, 7]}, b"\0" * 28),
    ],
)
async def test_whatever_a_worker_says_is_survived(uds: Path, reply: bytes | str) -> None:
    encoder = TinyEncoder()

    async def converse(socket: ServerConnection) -> None:
        await socket.send(frames.pack_hello(Hello(encoder.spec, [(1, 0.01), (8, 0.02)])))
        await socket.recv()
        await socket.send(reply)
        await socket.wait_closed()

    async with unix_serve(converse, str(uds)):
        client = EncoderClient(f"unix://{uds}")
        await client.open()
        with pytest.raises(ModelError):
            await client.embed_texts(["a"], soon(1))
        await client.close()
    client = EncoderClient(f"unix://{uds}")
    await client.open()
    with worker_on_a_thread(encoder, Address(uds=uds)):
        assert len(await comes_back(client)) == 1
        await client.close()


async def test_a_worker_that_comes_back_with_another_model_is_not_used(uds: Path) -> None:
    client = EncoderClient(f"unix://{uds}")
    with worker_on_a_thread(TinyEncoder(), Address(uds=uds)):
        await client.open()
        await client.embed_texts(["a"], soon())
    with worker_on_a_thread(TinyEncoder("2"), Address(uds=uds)):
        await until(lambda: "tiny:2" in (client.away or ""))
        with pytest.raises(EncoderAway, match="restart this process"):
            await client.embed_texts(["a"], soon())
    with worker_on_a_thread(TinyEncoder(), Address(uds=uds)):
        assert len(await comes_back(client)) == 1
    await client.close()


async def test_a_lost_device_ends_the_worker(uds: Path) -> None:
    encoder = ScriptedEncoder()
    with worker_on_a_thread(encoder, Address(uds=uds)) as (url, server):
        client = EncoderClient(url)
        await client.open()
        encoder.failures = [DeviceLost("illegal address")]
        with pytest.raises(DeviceLost, match="illegal address"):
            await client.embed_texts(["a"], soon())
        await until(lambda: client.away is not None)
        assert isinstance(server.failure, DeviceLost)
        await client.close()


async def test_a_warm_up_that_fails_ends_the_worker(uds: Path) -> None:
    encoder = ScriptedEncoder()
    encoder.failures = [ValueError("no such kernel")]
    with worker_on_a_thread(encoder, Address(uds=uds), wait=False) as (_, server):
        await until(lambda: server.failure is not None)
    assert "no such kernel" in str(server.failure)


async def test_health_readiness_and_metrics_are_plain_http() -> None:
    encoder = ScriptedEncoder()
    encoder.hold()
    with worker_on_a_thread(encoder, Address(port=0), wait=False) as (_, server):
        async with httpx.AsyncClient() as http:
            await until(lambda: server.started)
            url = server.url()
            assert (await http.get(f"{url}/healthz")).status_code == 200
            warming = await http.get(f"{url}/readyz")
            assert (warming.status_code, warming.json()) == (503, {"status": "warming up"})
            client = EncoderClient(url)
            await client.open()
            assert client.away is not None
            encoder.release()
            assert len(await comes_back(client)) == 1
            assert (await http.get(f"{url}/readyz")).json()["model"] == "tiny"
            metrics = (await http.get(f"{url}/metrics")).text
            await client.close()
    assert 'noongil_encode_batch_size_count{kind="text"} 1.0' in metrics
    assert "noongil_encode_queue_seconds_sum" in metrics
    assert "noongil_encode_tokens_total 8.0" in metrics
    assert "noongil_device_memory_bytes" in metrics


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff\xff\xff\xffx",
        b"not a frame at all",
        (100_004).to_bytes(4, "little") + b"[" * 100_004,
        "a text message",
        frames.pack({}),
        frames.pack({"id": "seven", "kind": "texts"}),
    ],
)
async def test_what_is_no_frame_ends_the_connection_and_nothing_else(
    uds: Path, frame: bytes | str
) -> None:
    with worker_on_a_thread(TinyEncoder(), Address(uds=uds)) as (url, _):
        client = EncoderClient(url)
        await client.open()
        async with unix_connect(str(uds), "ws://worker/encode", proxy=None) as socket:
            await socket.recv()
            await socket.send(frame)
            with pytest.raises(ConnectionClosed):
                async with asyncio.timeout(20):
                    await socket.recv()
        assert len(await client.embed_texts(["a"], soon())) == 1
        await client.close()


@pytest.mark.parametrize(
    "call",
    [
        {"kind": "texts", "timeout": float("nan"), "texts": ["a"]},
        {"kind": "texts", "timeout": 10**400, "texts": ["a"]},
        {"kind": "texts", "timeout": -1, "texts": ["a"]},
        {"kind": "images", "timeout": 5, "sizes": [[0, 0]]},
        {"kind": "texts", "texts": ["a"]},
        {"kind": "texts", "timeout": "soon", "texts": ["a"]},
        {"kind": "texts", "timeout": 5},
        {"kind": "texts", "timeout": 5, "texts": "a"},
        {"kind": "texts", "timeout": 5, "texts": [1]},
        {"kind": "images", "timeout": 5},
        {"kind": "images", "timeout": 5, "sizes": [[100, 100]]},
        {"kind": "dance", "timeout": 5},
    ],
)
async def test_a_call_that_makes_no_sense_is_answered_with_an_error(
    uds: Path, call: dict[str, object]
) -> None:
    encoder = TinyEncoder()
    with worker_on_a_thread(encoder, Address(uds=uds)):
        async with unix_connect(str(uds), "ws://worker/encode", proxy=None) as socket:
            await socket.recv()
            header = {"id": 1, "fingerprint": encoder.spec.fingerprint, **call}
            await socket.send(frames.pack(header))
            answer, _ = frames.unpack(await socket.recv())
            assert (answer["kind"], answer["error"]) == ("error", "InvalidInput")


async def test_a_page_in_a_browser_gets_nothing(uds: Path) -> None:
    with worker_on_a_thread(TinyEncoder(), Address(uds=uds)):
        opening = unix_connect(
            str(uds), "ws://worker/encode", proxy=None, origin=Origin("http://evil.example")
        )
        with pytest.raises(InvalidStatus):
            await opening


async def test_a_call_for_another_model_is_refused(uds: Path) -> None:
    with worker_on_a_thread(TinyEncoder(), Address(uds=uds)):
        async with unix_connect(str(uds), "ws://worker/encode", proxy=None) as socket:
            await socket.recv()
            call = {"id": 1, "kind": "texts", "timeout": 5, "texts": ["a"], "fingerprint": "other"}
            await socket.send(frames.pack(call))
            answer, _ = frames.unpack(await socket.recv())
            assert answer["error"] == "EncoderAway"


NO_WORKERS = ["", "encoder:8001", "ftp://x/", "unix://x/y", "http://", "unix:"]
NO_HOSTS = ["http://worker:99999", "http://worker:80o1", "http://a..b:80", "http://worker:0"]


@pytest.mark.parametrize("url", NO_WORKERS + NO_HOSTS)
def test_a_url_that_names_no_worker_is_refused(url: str) -> None:
    with pytest.raises(ModelUnavailable, match="names no encoder worker"):
        EncoderClient(url)


def test_a_socket_that_another_worker_listens_on_is_not_taken(uds: Path) -> None:
    with worker_on_a_thread(TinyEncoder(), Address(uds=uds)):
        second = WorkerProcess(uds, ["--model", "tiny"])
        assert second.fails_with() == f"error: cannot listen on {uds}: another process does"


def test_a_model_that_cannot_be_loaded_is_a_line_before_anything_listens(uds: Path) -> None:
    worker = WorkerProcess(uds, ["--model", "no-such-model"])
    assert worker.fails_with().startswith("error: unknown model 'no-such-model'")
    assert not uds.exists()


async def test_closing_lets_nobody_wait_for_a_connection() -> None:
    """The worker accepts the connection and never says a word."""
    silent = socket.create_server(("127.0.0.1", 0))
    client = EncoderClient(f"http://127.0.0.1:{silent.getsockname()[1]}")
    opening = asyncio.create_task(client.open())
    await asyncio.sleep(0.1)
    asked = asyncio.create_task(client.embed_texts(["a"], soon()))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(10):
        await client.close()
        outcomes = await asyncio.gather(asked, opening, return_exceptions=True)
    assert isinstance(outcomes[0], EncoderAway)
    silent.close()


async def test_servers_spread_over_the_workers_that_share_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else all would use the first that the resolver names, and the other devices none."""
    _resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    first = {(await addresses("ws://encoder:8001/encode"))[0] for _ in range(64)}
    assert first == {"127.0.0.1", "127.0.0.2"}


async def test_of_workers_that_share_a_name_one_that_is_away_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with worker_on_a_thread(ScriptedEncoder(), Address(port=0)) as (_, server):
        port = server.url().rpartition(":")[2]
        _resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2")  # nobody listens on the second
        for _ in range(8):
            client = EncoderClient(f"http://encoder:{port}")
            await client.open()
            assert client.away is None
            assert len(await client.embed_texts(["a"], soon())) == 1
            await client.close()


def _resolve_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo

    async def shared(host: str, port: int, **options: Any) -> list[Any]:
        if host != "encoder":
            return await resolve(host, port, **options)
        return [answer for each in hosts for answer in await resolve(each, port, **options)]

    monkeypatch.setattr(loop, "getaddrinfo", shared)
