"""How long queries take, and what they find."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.types import Embeddings

Answer = Callable[[Embeddings], NDArray[np.int64]]
"""From queries (n, dim) to the rows found, (n, 10)."""


@dataclass(frozen=True)
class Timing:
    seconds: NDArray[np.float64]
    """Of each call."""
    queries_a_call: int

    @property
    def rate(self) -> float:
        """Queries a second, by the median call."""
        return self.queries_a_call / float(np.median(self.seconds))

    def milliseconds(self, percentile: float) -> float:
        return 1000 * float(np.percentile(self.seconds, percentile))


def in_turns(answers: Mapping[str, Answer], queries: Embeddings, size: int) -> dict[str, Timing]:
    """Each answers all the queries, `size` a call. In one turn none meets the queries of another:
    it would find their vectors in the processor's caches.
    """
    calls = list(_batches(queries, size))
    apart = len(calls) // len(answers)
    seconds: dict[str, list[float]] = {name: [] for name in answers}
    for answer in answers.values():
        answer(calls[0])
    for turn in range(len(calls)):
        for place, (name, answer) in enumerate(answers.items()):
            seconds[name].append(timed(answer, calls[(turn + place * apart) % len(calls)])[0])
    return {name: Timing(np.array(taken), size) for name, taken in seconds.items()}


def singly(
    answer: Answer, queries: Embeddings, least: int, seconds: float
) -> tuple[Timing, NDArray[np.int64]]:
    """One query a call: at least so many, more of them while the seconds last."""
    answer(queries[:1])
    taken: list[float] = []
    found: list[NDArray[np.int64]] = []
    until = time.perf_counter() + seconds
    for query in _batches(queries, 1):
        if len(taken) >= least and time.perf_counter() > until:
            break
        took, rows = timed(answer, query)
        taken.append(took)
        found.append(rows)
    return Timing(np.array(taken), 1), np.concatenate(found)


def timed(answer: Answer, queries: Embeddings) -> tuple[float, NDArray[np.int64]]:
    started = time.perf_counter()
    rows = answer(queries)
    return time.perf_counter() - started, rows


def _batches(queries: Embeddings, size: int) -> Iterator[Embeddings]:
    """Full ones only."""
    return (queries[start : start + size] for start in range(0, len(queries) - size + 1, size))
