"""How long a batch will take, from how long batches took."""

from collections.abc import Sequence

_MEMORY = 0.9
"""What the past weighs at each observation: some ten of them count."""


class Pace:
    """Seconds of a batch as a straight line in its work: overhead + rate × work, in any one unit.

    The line is drawn by a warm-up; what is observed later stretches it as a whole. A device that
    others share slows down for small batches and large, and a line that followed each observation
    would forget the large ones wherever traffic is light. Without a warm-up there is only a rate.
    """

    def __init__(self) -> None:
        self._overhead = 0.0
        self._rate = 0.0
        self._stretch = 1.0

    def calibrate(self, measured: Sequence[tuple[float, float]]) -> None:
        """Work and seconds of two batches, the smaller first."""
        (small, few), (large, many) = measured
        if large > small:
            self._rate = max(0.0, many - few) / (large - small)
            self._overhead = max(0.0, few - self._rate * small)
        self._stretch = 1.0

    def observe(self, work: float, seconds: float) -> None:
        expected = self.seconds(work)
        if expected <= 0:
            self._rate, self._overhead, self._stretch = seconds / work, 0.0, 1.0
        else:
            self._stretch *= _MEMORY + (1 - _MEMORY) * seconds / expected

    def seconds(self, work: float, *, batches: int = 1) -> float:
        """What `work` is expected to take in so many batches; 0 where nothing was observed."""
        return self._stretch * (batches * self._overhead + self._rate * work)

    def work_within(self, seconds: float) -> float:
        """The most work of a batch that is expected to take no longer; it may be negative."""
        if not self._rate:
            return float("inf")
        return (seconds / self._stretch - self._overhead) / self._rate
