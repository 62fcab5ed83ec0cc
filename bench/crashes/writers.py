"""Clients that write, each its own keys, and ask again until they are answered."""

import random
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack

import httpx

from bench.crashes.client import MAX_HITS, find, write_batch, write_one
from bench.crashes.oracle import Delete, Oracle, Patch, Put, State, Write
from bench.crashes.pace import Ended, Pace
from bench.crashes.processes import GaveUp, Server
from bench.crashes.tally import Tally

_RETRIED = {429, 503}
_RETRY_SECONDS = 0.05
_PAUSE_SECONDS = 0.12
_PATIENCE_SECONDS = 120.0
_MAX_LINES = 12
_MOST_ALIKE = 50
_SHARED = range(20)
"""Pictures that several keys may have."""
_FIRST_OWN = 1_000_000


class Writer(threading.Thread):
    """What it writes follows from its seed; when, and through which server, does not only."""

    def __init__(
        self,
        number: int,
        servers: Sequence[Server],
        oracle: Oracle,
        pace: Pace,
        tally: Tally,
        *,
        keys: Sequence[str],
        seed: int,
        visible_within: float,
    ) -> None:
        super().__init__(name=f"writer {number}", daemon=True)
        self._servers = servers
        self._oracle = oracle
        self._pace = pace
        self._tally = tally
        self._keys = keys
        self._visible_within = visible_within
        self._what = random.Random(f"{seed}/what/{number}")  # noqa: S311 - a schedule
        self._where = random.Random(f"{seed}/where/{number}")  # noqa: S311 - a schedule
        self._next_picture = _FIRST_OWN * (number + 1)
        self._done = 0

    def run(self) -> None:
        try:
            with ExitStack() as stack:
                self._clients = {
                    server.name: stack.enter_context(server.client()) for server in self._servers
                }
                while True:
                    writes = self._choice(self._pace.next_room(self._done))
                    self._settle(writes)
                    self._done += len(writes)
                    time.sleep(self._where.random() * _PAUSE_SECONDS)
        except Ended:
            pass
        except Exception as error:  # noqa: BLE001 - the main thread raises it
            self._tally.failed(error)
            self._pace.end()

    def _choice(self, room: int) -> list[Write]:
        lines = self._what.randint(2, _MAX_LINES) if self._what.random() < 0.1 else 1
        keys = self._what.sample(self._keys, min(lines, room, len(self._keys)))
        return [self._write(key) for key in keys]

    def _write(self, key: str) -> Write:
        (state,) = self._oracle[key].states
        draw = self._what.random()
        if state.picture is None:
            likely: list[type[Write]] = [Put] * 18 + [Patch, Delete]
        else:
            likely = [Put] * 7 + [Patch] * 7 + [Delete] * 6
        kind = likely[int(draw * len(likely))]
        if kind is Delete:
            return Delete(key)
        if kind is Patch:
            return Patch(key, {"count": self._what.randrange(10**6), "mood": self._mood(none=True)})
        given = None if self._what.random() < 0.3 else {"mood": self._mood(), "of": key}
        return Put(key, self._picture(state), given)

    def _mood(self, *, none: bool = False) -> str | None:
        return self._what.choice(["calm", "맑음", "wild", *([None] if none else [])])

    def _picture(self, state: State) -> int:
        draw = self._what.random()
        if draw < 0.1:
            return self._what.choice(_SHARED)
        if draw < 0.2 and state.picture is not None:
            return state.picture
        self._next_picture += 1
        return self._next_picture

    def _settle(self, writes: list[Write]) -> None:
        """Raises Ended; GaveUp where it is never answered."""
        over = time.monotonic() + _PATIENCE_SECONDS
        is_batch, is_first = len(writes) > 1, True
        while writes:
            server = self._server()
            with self._pace.passing(begun=len(writes) if is_first else 0):
                answered = self._ask(server, writes, is_batch=is_batch)
                if answered and self._where.random() < 0.2:
                    self._look(server, writes[answered - 1])
            writes, is_first = writes[answered:], False
            if writes:
                self._tally.add("retried", len(writes))
                if time.monotonic() > over:
                    raise GaveUp(f"{writes[0]} is not answered")
                time.sleep(_RETRY_SECONDS)

    def _server(self) -> Server:
        """One that is up; else any: a client does not know."""
        up = [server for server in self._servers if server.is_up]
        return self._where.choice(up or self._servers)

    def _ask(self, server: Server, writes: Sequence[Write], *, is_batch: bool) -> int:
        """How many of the writes, the first of them, are answered for good."""
        for write in writes:
            self._oracle.begin(write)
        ask = self._ask_batch if is_batch else self._ask_one
        statuses = ask(server, writes)
        for number, (write, status) in enumerate(zip(writes, statuses, strict=False)):
            if not self._is_final(server, write, status):
                return number
            self._tally.add("acknowledged")
        return len(statuses)

    def _ask_one(self, server: Server, writes: Sequence[Write]) -> list[int]:
        try:
            return [write_one(self._clients[server.name], writes[0])]
        except httpx.TimeoutException:
            self._tally.violated(server.name, [f"{writes[0]} is not answered at all"])
        except httpx.TransportError:
            pass  # it was killed, or is not up yet
        return []

    def _ask_batch(self, server: Server, writes: Sequence[Write]) -> list[int]:
        statuses, is_whole = write_batch(self._clients[server.name], writes)
        if is_whole and len(statuses) != len(writes):
            fault = f"{len(statuses)} of {len(writes)} lines are answered, and no more"
            self._tally.violated(server.name, [fault])
        return statuses

    def _is_final(self, server: Server, write: Write, status: int) -> bool:
        if status in _RETRIED:
            self._tally.add("refused")
            return False
        if status >= 500:
            self._tally.violated(server.name, [f"{write} was answered {status}"])
            return False
        fault = self._oracle.acknowledge(write, status)
        self._tally.violated(server.name, [fault] if fault else [])
        return True

    def _look(self, server: Server, write: Write) -> None:
        """At once through the server that answered, and soon through the other one."""
        answered = time.monotonic()
        try:
            if not self._is_seen(server, write):
                self._tally.violated(server.name, [f"{write} is answered, and not searched"])
            (other,) = (each for each in self._servers if each is not server)
            while other.is_up:
                if self._is_seen(other, write):
                    self._tally.seen(time.monotonic() - answered)
                    return
                if time.monotonic() > answered + self._visible_within:
                    self._tally.violated(other.name, [f"{write} is not searched in time"])
                    return
        except httpx.TransportError:
            pass  # it was killed
        except httpx.HTTPStatusError as error:
            self._tally.violated("search", [f"{error.response.status_code} {error.response.text}"])

    def _is_seen(self, server: Server, write: Write) -> bool:
        """By its own picture, among the nearest; one that is gone, nowhere."""
        (state,) = self._oracle[write.key].states
        if state.picture is None:
            picture, k = self._next_picture, MAX_HITS
        else:
            picture, k = state.picture, _MOST_ALIKE
        hits = find(self._clients[server.name], picture, k)["hits"]
        hit = next((hit for hit in hits if hit["id"] == write.key), None)
        return state.is_shown_by(hit, picture)
