"""A few clients that never pause for long: what they were answered, and when."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, cycle

import httpx

from tests.indexer.pictures.hostile import encoded, picture

_REQUEST_SECONDS = 60.0
_SEARCH_PAUSE_SECONDS = 0.15
_WRITE_PAUSE_SECONDS = 0.5
_WELL_AFTER = 5
"""Answers in a row, of each kind."""


@dataclass(frozen=True)
class Answer:
    began: float
    ended: float
    """By the monotonic clock."""
    failure: str | None
    """Status and code, or how the connection failed."""


class Client(threading.Thread):
    """Asks for the first thing, the second and so on, until it is over."""

    def __init__(
        self,
        kind: str,
        ask: Callable[[int], httpx.Response],
        pause: float,
        over: threading.Event,
        fault: Callable[[httpx.Response], str | None] = lambda _: None,
    ) -> None:
        """`fault`: what is wrong with an answer of success."""
        super().__init__(name=kind, daemon=True)
        self.kind = kind
        self.answers: list[Answer] = []
        self.acknowledged: list[int] = []
        self._ask = ask
        self._pause = pause
        self._over = over
        self._fault = fault

    def run(self) -> None:
        for number in count():
            began = time.monotonic()
            failure = self._failure(number)
            self.answers.append(Answer(began, time.monotonic(), failure))
            if failure is None:
                self.acknowledged.append(number)
            if self._over.wait(self._pause):
                return

    def is_well(self, since: float) -> bool:
        last = self.answers[-_WELL_AFTER:]
        return len(last) == _WELL_AFTER and all(
            answer.failure is None and answer.began > since for answer in last
        )

    def _failure(self, number: int) -> str | None:
        try:
            answer = self._ask(number)
        except httpx.TransportError as error:
            return type(error).__name__
        return self._fault(answer) if answer.is_success else f"{answer.status_code} {_code(answer)}"


class Load:
    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = clients

    def failures(self, since: float) -> Counter[str]:
        """Of what was answered since then, by kind and reason."""
        return Counter(f"{kind}: {answer.failure}" for kind, answer in self._failed(since))

    def requests(self, since: float) -> int:
        return sum(answer.ended > since for each in self._clients for answer in list(each.answers))

    def last_failure(self, since: float) -> float:
        """When it became known; `since` where nothing failed."""
        return max((answer.ended for _, answer in self._failed(since)), default=since)

    def wait_until_well(self, since: float, seconds: float) -> None:
        """Raises TimeoutError."""
        over = time.monotonic() + seconds
        while not all(client.is_well(since) for client in self._clients):
            if time.monotonic() > over:
                raise TimeoutError(f"not well after {seconds:.0f} s: {self.failures(since)}")
            time.sleep(_SEARCH_PAUSE_SECONDS)

    def acknowledged(self, kind: str) -> list[int]:
        """Numbers of the requests of that kind that were granted."""
        (client,) = (client for client in self._clients if client.kind == kind)
        return list(client.acknowledged)

    def _failed(self, since: float) -> Iterator[tuple[str, Answer]]:
        for client in self._clients:
            for answer in list(client.answers):
                if answer.ended > since and answer.failure is not None:
                    yield client.kind, answer


def written(number: int) -> str:
    """The id of the image that a write has put."""
    return f"written-{number}"


@contextmanager
def running_load(
    doors: Sequence[str], key: str, searched: str, known: tuple[str, str], filled: str
) -> Iterator[Load]:
    """Searches in a collection for what was asked before and for what was not, and writes to
    another; by turns through the doors. `known`: a text, and the id of what it finds.
    """
    known_text, known_image = known
    over = threading.Event()
    with httpx.Client(timeout=_REQUEST_SECONDS, headers={"Authorization": f"Bearer {key}"}) as http:
        turns = cycle(doors)

        def search(text: str) -> httpx.Response:
            url = f"{next(turns)}/v1/collections/{searched}/search"
            return http.get(url, params={"q": text})

        def write(number: int) -> httpx.Response:
            url = f"{next(turns)}/v1/collections/{filled}/images/{written(number)}"
            return http.put(url, files={"file": encoded(picture(number), "PNG")})

        def fault(answer: httpx.Response) -> str | None:
            best = answer.json()["hits"][0]["id"]
            return None if best == known_image else f"finds {best}"

        clients = [
            Client("known", lambda _: search(known_text), _SEARCH_PAUSE_SECONDS, over, fault),
            Client("new", lambda number: search(f"cat {number}"), _SEARCH_PAUSE_SECONDS, over),
            Client("write", write, _WRITE_PAUSE_SECONDS, over),
        ]
        for client in clients:
            client.start()
        try:
            yield Load(clients)
        finally:
            over.set()
            for client in clients:
                client.join()


def _code(answer: httpx.Response) -> str:
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return str(answer.json()["code"]) if is_problem else answer.text[:80]
