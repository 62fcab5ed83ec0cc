"""Whether the loop that takes jobs goes round."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

_STUCK_SECONDS = 60.0
"""A look into an empty queue takes a second at most."""


class Pulse:
    """Written by the loop, read from other threads."""

    def __init__(self) -> None:
        self.trouble: str | None = None
        """Why no job can be taken just now; None while they can."""
        self._looked = time.monotonic()
        self._is_at_work = False

    def looked(self, trouble: str | None = None) -> None:
        """For a job, and found one or none; or could not, for `trouble`."""
        self.trouble = trouble
        self._looked = time.monotonic()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """On a job, which takes as long as it takes: how far it is, its record says."""
        self._is_at_work = True
        try:
            yield
        finally:
            self.looked()
            self._is_at_work = False

    @property
    def is_stuck(self) -> bool:
        """It waits where nothing is to be waited for: in a connection that is dead, say."""
        return not self._is_at_work and time.monotonic() - self._looked > _STUCK_SECONDS
