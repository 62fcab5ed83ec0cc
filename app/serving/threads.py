"""Threads that do the same thing again and again."""

import logging
import threading
from collections.abc import Callable

from indexer.catalog.watch import ChangeWatch

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 5.0
"""An encoder that is being loaded cannot be interrupted: the process ends without it."""

_APART_SECONDS = 0.03
"""What is committed within so little is looked at together: a look takes a millisecond or more of
the processor that searches need.
"""


class Repeating:
    """A thread that is told when. What fails is logged once until it succeeds again."""

    def __init__(self, name: str, action: Callable[[], None], seconds: float) -> None:
        """`action` is called every so many seconds, and when `wake` says so."""
        self._action = action
        self._seconds = seconds
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._has_failed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stopped.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._try()
            self._pause()

    def _pause(self) -> None:
        self._wake.wait(self._seconds)
        self._wake.clear()

    def _try(self) -> None:
        try:
            self._action()
            self._has_failed = False
        except Exception:
            if not self._has_failed and not self._stopped.is_set():
                logger.exception("%s: failed, trying again", self._thread.name)
            self._has_failed = True


class Following(Repeating):
    """The same, where what others commit wakes it."""

    def __init__(
        self, name: str, action: Callable[[], None], seconds: float, watch: ChangeWatch
    ) -> None:
        super().__init__(name, action, seconds)
        self._watch = watch

    def wake(self) -> None:
        self._watch.stop()

    def _pause(self) -> None:
        self._stopped.wait(_APART_SECONDS)
        self._watch.wait(self._seconds)

    def stop(self) -> None:
        super().stop()
        if not self._thread.is_alive():
            self._watch.close()
