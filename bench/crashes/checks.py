"""Looking at what two servers show, and comparing it with what there should be."""

import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import httpx

from bench.crashes.client import find, find_like, record_of, thumbnail_fault
from bench.crashes.oracle import Expected, Oracle, State, listing_faults
from bench.crashes.processes import Server
from bench.crashes.tally import Tally

_QUERIES = range(3)
_LOOK_SECONDS = 0.05
_WATCH_SECONDS = 0.1
_SIMILAR = 5
_ANYTHING = Expected(())


class Inspection:
    """While nobody writes."""

    def __init__(
        self, servers: Sequence[Server], oracle: Oracle, tally: Tally, visible_within: float
    ) -> None:
        self._servers = servers
        self._oracle = oracle
        self._tally = tally
        self._visible_within = visible_within

    def inspect(self, keys: Iterable[str], where: str, *, files: bool = False) -> None:
        """All by what searches find; those of `keys` one by one, `files`: their pictures too."""
        with ExitStack() as stack:
            clients = [stack.enter_context(server.client()) for server in self._servers]
            actual = self._records(clients, list(keys), where)
            expected = {**self._oracle.all(), **actual}
            for server, client in zip(self._servers, clients, strict=True):
                try:
                    faults = self._listing(client, expected)
                    faults += _own(client, actual) + _similar(client, actual, expected)
                    faults += _thumbnails(client, actual) if files else []
                except httpx.HTTPStatusError as error:
                    faults = [f"{error.response.status_code} {error.response.text}"]
                self._tally.violated(f"{where}, {server.name}", faults)

    def _records(
        self, clients: Sequence[httpx.Client], keys: Sequence[str], where: str
    ) -> dict[str, Expected]:
        """What each image is found to be: one of what it may be, and through both the same."""
        unsure = [key for key, expects in self._oracle.all().items() if len(expects.states) > 1]
        self._tally.add("unanswered, looked at", len(unsure))
        actual: dict[str, Expected] = {}
        for key in dict.fromkeys([*unsure, *keys]):
            expects = self._oracle[key]
            one, other = (record_of(client, key, expects) for client in clients)
            if isinstance(one, State) and one == other:
                actual[key] = Expected((one,), expects.since)
            else:
                self._tally.violated(where, [f"{one} through one, {other} through the other"])
        return actual

    def _listing(self, client: httpx.Client, expected: Mapping[str, Expected]) -> list[str]:
        """What is still wrong when it should have been seen."""
        over = time.monotonic() + self._visible_within
        while True:
            faults = []
            for query in _QUERIES:
                faults += listing_faults(find(client, query)["hits"], expected, query)
            if not faults or time.monotonic() > over:
                return faults
            time.sleep(_LOOK_SECONDS)


class Watcher(threading.Thread):
    """Searches all the time, and compares with what has been so for a while."""

    def __init__(
        self, servers: Sequence[Server], oracle: Oracle, tally: Tally, visible_within: float
    ) -> None:
        super().__init__(name="watcher", daemon=True)
        self._servers = servers
        self._oracle = oracle
        self._tally = tally
        self._visible_within = visible_within
        self._random = random.Random(0)  # noqa: S311 - which server is looked at
        self._versions: dict[str, str | None] = {}
        self._is_over = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self.join()

    def run(self) -> None:
        try:
            with ExitStack() as stack:
                clients = [stack.enter_context(server.client()) for server in self._servers]
                while not self._is_over.wait(_WATCH_SECONDS):
                    for server, client in zip(self._servers, clients, strict=True):
                        self._look(server, client)
        except Exception as error:  # noqa: BLE001 - the main thread raises it
            self._tally.failed(error)

    def _look(self, server: Server, client: httpx.Client) -> None:
        if not server.is_up:
            return
        began, before = time.monotonic(), self._oracle.all()
        query = self._random.choice(_QUERIES)
        try:
            answer = find(client, query)
        except httpx.TransportError:
            if server.is_up:
                self._tally.add("searches cut off")
            return
        except httpx.HTTPStatusError as error:
            if server.is_up:
                found = f"{error.response.status_code} {error.response.text}"
                self._tally.violated(f"watched, {server.name}", [found])
            return
        settled_before = began - self._visible_within
        expected = {
            key: expects
            if self._oracle[key] is expects and expects.since < settled_before
            else _ANYTHING
            for key, expects in before.items()
        }
        faults = list(listing_faults(answer["hits"], expected, query))
        self._tally.violated(f"watched, {server.name}, {answer['version']}", faults)
        self._tally.add("searches watched")
        self._note_version(server, answer["version"])

    def _note_version(self, server: Server, version: str | None) -> None:
        if self._versions.get(server.name, version) != version:
            self._tally.add("swaps seen")
        self._versions[server.name] = version


def _own(client: httpx.Client, actual: Mapping[str, Expected]) -> list[str]:
    """Each image is found by its own picture."""
    faults = []
    for key, expects in actual.items():
        (state,) = expects.states
        if state.picture is not None:
            hits = find(client, state.picture, 50)["hits"]
            faults += listing_faults(_of(hits, key), {key: expects}, state.picture)
    return faults


def _similar(
    client: httpx.Client, actual: Mapping[str, Expected], expected: Mapping[str, Expected]
) -> list[str]:
    """Of a few images, all that is like them."""
    there = [key for key, expects in actual.items() if expects.states[0].picture is not None]
    faults = []
    for key in there[:_SIMILAR]:
        picture = actual[key].states[0].picture
        assert picture is not None
        others = {**expected, key: Expected((State(),))}
        faults += listing_faults(find_like(client, key), others, picture)
    return faults


def _thumbnails(client: httpx.Client, actual: Mapping[str, Expected]) -> list[str]:
    faults = []
    for key, expects in actual.items():
        picture = expects.states[0].picture
        if picture is not None and (fault := thumbnail_fault(client, key, picture)):
            faults.append(fault)
    return faults


def _of(hits: Sequence[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return [hit for hit in hits if hit["id"] == key]
