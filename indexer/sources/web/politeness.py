"""How hard one host may be asked."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from indexer.errors import Rejected, RejectReason


@dataclass
class _Host:
    slots: threading.Semaphore
    users: int = 0
    closed_until: float = 0.0
    """By time.monotonic: the host asked not to be asked before."""


class Politeness:
    """At most `at_once` requests under way to a host, and none while it asks for a pause.

    A pause of more than `patience` seconds is not waited for. Used by several threads.
    """

    def __init__(
        self, at_once: int, patience: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._at_once = at_once
        self._patience = patience
        self._sleep = sleep
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    @contextmanager
    def slot(self, host: str) -> Iterator[float]:
        """Waits for leave to ask `host`; the seconds waited. Raises Rejected: fetch_failed."""
        entry = self._entered(host)
        began = time.monotonic()
        try:
            with entry.slots:
                self._wait(host, entry)
                yield time.monotonic() - began
        finally:
            self._leave(host, entry)

    def pause(self, host: str, seconds: float) -> None:
        """The host of a slot that is held asked for a pause."""
        with self._lock:
            entry = self._hosts[host]
            entry.closed_until = max(entry.closed_until, time.monotonic() + seconds)

    def _entered(self, host: str) -> _Host:
        with self._lock:
            entry = self._hosts.setdefault(host, _Host(threading.Semaphore(self._at_once)))
            entry.users += 1
            return entry

    def _wait(self, host: str, entry: _Host) -> None:
        seconds = entry.closed_until - time.monotonic()
        if seconds > self._patience:
            detail = f"{host} asks for a pause of {seconds:.0f} s"
            raise Rejected(RejectReason.FETCH_FAILED, detail)
        if seconds > 0:
            self._sleep(seconds)

    def _leave(self, host: str, entry: _Host) -> None:
        """Forget a host that nobody asks and that asked for nothing."""
        with self._lock:
            entry.users -= 1
            if not entry.users and entry.closed_until <= time.monotonic():
                del self._hosts[host]
