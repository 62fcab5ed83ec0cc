"""What happened in a run: counted, and what must not happen told in full."""

import threading
from collections import Counter
from collections.abc import Iterable


class Tally:
    """Safe to use from several threads at once."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self.failures: list[BaseException] = []
        """Of threads of the benchmark itself."""
        self.seen_after: list[float] = []
        """Seconds from an acknowledgement until the other server's searches showed the write."""
        self._lock = threading.Lock()

    def add(self, what: str, count: int = 1) -> None:
        with self._lock:
            self.counts[what] += count

    def violated(self, where: str, faults: Iterable[str]) -> None:
        with self._lock:
            self.violations += [f"{where}: {fault}" for fault in faults]

    def failed(self, error: BaseException) -> None:
        with self._lock:
            self.failures.append(error)

    def seen(self, seconds: float) -> None:
        with self._lock:
            self.seen_after.append(seconds)
