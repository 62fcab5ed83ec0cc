"""Searches at a steady rate from a thread each, every answer kept: for what happens meanwhile."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

_THREADS = 4


@dataclass(frozen=True)
class Answer:
    due: float
    """On the monotonic clock: when it should have been asked."""
    seconds: float
    """From then to the last byte: a server that stalls is charged for all that came meanwhile."""
    status: int
    text: str
    body: dict[str, Any]


class SteadyLoad:
    """A context manager: asks `rate` times a second, by the texts of `text_of` the number of the
    question, until it is left.
    """

    def __init__(
        self, port: int, collection: str, text_of: Callable[[int], str], rate: float
    ) -> None:
        self.answers: list[Answer] = []
        self.failures: list[str] = []
        self._port = port
        self._path = f"/v1/collections/{collection}/search"
        self._text_of = text_of
        self._gap = _THREADS / rate
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(number,)) for number in range(_THREADS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.answers.sort(key=lambda answer: answer.due)

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        due = time.monotonic() + self._gap * number / _THREADS
        asked = number
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            text = self._text_of(asked)
            asked += _THREADS
            body = json.dumps({"text": text, "k": 50})
            try:
                connection.request("POST", self._path, body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            else:
                seconds = time.monotonic() - due
                self.answers.append(
                    Answer(due, seconds, response.status, text, json.loads(content))
                )
            due += self._gap
        connection.close()
