"""Requests at random times, whether or not others were answered: what a public service meets.

Each is timed from the moment when it should have been sent, so that a server that stalls is
charged for all who came meanwhile. Connections are kept alive and used again; where all are
busy another is opened.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import uvloop

_LAST_ANSWER_SECONDS = 30.0
_FRESH_SECONDS = 2.0
"""A server may be closing a connection that was unused for longer."""


@dataclass
class Offered:
    rate: float
    """Requests a second."""
    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    """Seconds, of the answers with status 200."""
    refusals_told_when: int = 0
    """Refusals with a Retry-After."""

    @property
    def refused(self) -> int:
        return self.statuses[429] + self.statuses[503]

    def milliseconds(self, percentile: float) -> float:
        return float(np.percentile(self.latencies, percentile)) * 1000


def offer(port: int, requests: Iterator[bytes], rate: float, seconds: float) -> Offered:
    """Raises OSError where nobody listens, TimeoutError where a request is never answered."""
    return uvloop.run(_offer(port, requests, Offered(rate, seconds)))


async def _offer(port: int, requests: Iterator[bytes], offered: Offered) -> Offered:
    loop, idle = asyncio.get_running_loop(), list[_Connection]()
    gaps = np.random.default_rng(0).exponential(
        1 / offered.rate, int(offered.rate * offered.seconds)
    )
    start = time.perf_counter() + 0.1
    answers = []

    async def open_and_send(at: float) -> None:
        _, connection = await loop.create_connection(
            lambda: _Connection(offered, idle), "127.0.0.1", port
        )
        connection.send(next(requests), at)
        await connection.answered

    for at in start + np.cumsum(gaps):
        delay = at - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        if idle and time.perf_counter() - idle[-1].idle_since < _FRESH_SECONDS:
            connection = idle.pop()
            connection.send(next(requests), at)
            answers.append(connection.answered)
        else:
            answers.append(asyncio.ensure_future(open_and_send(at)))
    async with asyncio.timeout(_LAST_ANSWER_SECONDS):
        await asyncio.gather(*answers)
    for connection in idle:
        connection.close()
    return offered


class _Connection(asyncio.Protocol):
    def __init__(self, offered: Offered, idle: list["_Connection"]) -> None:
        self._offered = offered
        self._idle = idle
        self._received = b""
        self._due = 0.0
        self.idle_since = 0.0
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, due: float) -> None:
        self._due, self._received = due, b""
        self.answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, content = self._received.partition(b"\r\n\r\n")
        if not end or len(content) < _content_length(head):
            return
        status = int(head[9:12])
        self._offered.statuses[status] += 1
        if status == 200:
            self._offered.latencies.append(time.perf_counter() - self._due)
        elif b"retry-after:" in head.lower():
            self._offered.refusals_told_when += 1
        self.idle_since = time.perf_counter()
        self._idle.append(self)
        self.answered.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._idle:  # servers close what was long unused
            self._idle.remove(self)
        if not self.answered.done():
            self.answered.set_exception(exc or ConnectionResetError("closed without an answer"))


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length: ")
    return int(rest.partition(b"\r\n")[0])
