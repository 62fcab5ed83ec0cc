"""What each loss of a service cost its clients: a row of a table each."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.deployment.topology.load import Load
from tests.deployment.topology.replica import Replica

RECOVERY_SECONDS = 60.0
"""A limit, not a measure."""

_HEADINGS = ("service", "what", "requests failed", "of", "for", "healthy after", "note")


@dataclass
class Outage:
    service: str
    what: str
    failed: Counter[str] = field(default_factory=Counter)
    """Requests by kind and reason."""
    requests: int = 0
    failing_seconds: float = 0.0
    """From the loss to the last request that failed."""
    healthy_seconds: float = 0.0
    """From the loss to the health check that the service passes again."""
    note: str = ""


@contextmanager
def outage(load: Load, replica: Replica, what: str) -> Iterator[Outage]:
    """Around what is done to a replica. It is healthy, and all clients are served, when the context
    is left. Raises Unhealthy, TimeoutError.
    """
    lost = Outage(replica.name, what)
    began = time.monotonic()
    yield lost
    replica.wait_for("service_healthy")
    lost.healthy_seconds = time.monotonic() - began
    load.wait_until_well(time.monotonic(), RECOVERY_SECONDS)
    lost.failed = load.failures(began)
    lost.requests = load.requests(began)
    lost.failing_seconds = load.last_failure(began) - began


def table(outages: Sequence[Outage]) -> str:
    rows = [_HEADINGS, *map(_row, outages)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(lost: Outage) -> tuple[str, ...]:
    failed = ", ".join(f"{count} {reason}" for reason, count in sorted(lost.failed.items()))
    return (
        lost.service,
        lost.what,
        failed or "none",
        str(lost.requests),
        f"{lost.failing_seconds:.1f} s",
        f"{lost.healthy_seconds:.1f} s",
        lost.note,
    )
