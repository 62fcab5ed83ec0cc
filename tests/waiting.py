"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Looks again and again. The limit is for what never comes, not for how long it may take."""
    over = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < over, "it has not come to pass"
        time.sleep(0.01)
