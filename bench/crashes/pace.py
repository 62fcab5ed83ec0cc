"""When writers may write: each so many writes, and nobody while the gate is shut."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.crashes.processes import GaveUp


class Ended(Exception):
    """Nobody writes any more."""


class Pace:
    """Shared by writers and whoever sets them to work."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._allowed = 0
        self._is_shut = self._is_over = False
        self._inside = 0
        self._waiting = 0
        self._begun = 0

    def allow(self, writes: int) -> None:
        """Each writer so many more."""
        with self._changing():
            self._allowed += writes

    def shut(self) -> None:
        """Who is inside stays until his request is answered, or will not be."""
        with self._changing():
            self._is_shut = True

    def open(self) -> None:
        with self._changing():
            self._is_shut = False

    def end(self) -> None:
        with self._changing():
            self._is_over = True

    def wait_begun(self, writes: int, seconds: float) -> None:
        """Until so many were begun, by all and since the beginning. Raises GaveUp."""
        self._wait(lambda: self._begun >= writes, seconds, f"{writes} writes to begin")

    def wait_still(self, seconds: float) -> None:
        """Until nobody is inside. Raises GaveUp."""
        self._wait(lambda: not self._inside, seconds, "requests to be answered")

    def wait_done(self, writers: int, seconds: float) -> None:
        """Until all so many have done what they were allowed. Raises GaveUp."""
        self._wait(lambda: self._waiting == writers, seconds, "writers to be done")

    def next_room(self, done: int) -> int:
        """How many more the writer may begin, who has done so many; at least 1. Raises Ended."""
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_over or self._allowed > done)
            self._waiting -= 1
            if self._is_over:
                raise Ended
            return self._allowed - done

    @contextmanager
    def passing(self, begun: int = 0) -> Iterator[None]:
        """Around a request, with which so many writes begin. Raises Ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or not self._is_shut)
            if self._is_over:
                raise Ended
            self._inside += 1
            self._begun += begun
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changing():
                self._inside -= 1

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._changed:
            yield
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_over or condition(), seconds):
                raise GaveUp(f"waited {seconds:.0f} s for {what}")
            if self._is_over:
                raise GaveUp(f"a writer failed while others waited for {what}")
