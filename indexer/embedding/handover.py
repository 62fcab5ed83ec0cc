"""What threads hand to the one that iterates."""

import queue
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")

_IDLE_SECONDS = 0.5
_LEAVING_SECONDS = 0.02
_AHEAD = 1024
"""The scan of a million rows whose attributes changed is quicker than the database."""


@dataclass(frozen=True)
class Idle:
    """Nothing has come for a while. More may wait for room that pictures at hand take up."""


class Handover(Generic[T]):
    """Of any thread, in the order in which it came; who puts waits while a thousand wait."""

    def __init__(self) -> None:
        self._queue: queue.Queue[T | BaseException | None] = queue.Queue(_AHEAD)

    def put(self, outcome: T) -> None:
        self._queue.put(outcome)

    def fail(self, error: BaseException) -> None:
        """The iterator raises it, after what was put before."""
        self._queue.put(error)

    def end(self) -> None:
        """The iterator ends, after what was put before."""
        self._queue.put(None)

    def __iter__(self) -> Iterator[T | Idle]:
        while True:
            try:
                outcome = self._queue.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                yield Idle()
                continue
            if outcome is None:
                return
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome

    def leave(self, *threads: Thread) -> None:
        """Blocking: until they have ended. They, or those they wait for, may wait to put something:
        it is dropped.
        """
        while any(thread.is_alive() for thread in threads):
            with suppress(queue.Empty):
                self._queue.get(timeout=_LEAVING_SECONDS)
