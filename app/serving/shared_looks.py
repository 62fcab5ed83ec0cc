"""Looks that callers at the same time share."""

import threading
from collections.abc import Callable


class SharedLooks:
    """Each caller returns after a look that began after its call; those who wait share the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = self._done = 0
        """Looks, by number: the last that began, and the last that succeeded."""

    def share(self, look: Callable[[], None]) -> None:
        """Blocking. `look` does the same for every caller. Raises what it does."""
        begun_before = self._begun
        with self._lock:
            if self._done > begun_before:
                return
            self._begun = number = self._begun + 1
            look()
            self._done = number
