"""Recall against rate over all settings of an index."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.index_timing import Answer, singly
from indexer.building.ground_truth import recall_at
from models.types import Embeddings

_LEAST_QUERIES, _SECONDS = 200, 0.15
"""What each setting is asked: at least so many, and for so long."""
_ENOUGH = 0.998
"""Recall at which a setting makes those that do no less in any respect needless."""


@dataclass(frozen=True)
class Point:
    setting: Any
    recall: float
    rate: float
    """Queries a second, singly."""
    p50: float
    p99: float
    """Milliseconds."""


Curve = list[Point]
"""The settings that no other beats in both recall and rate, ascending in recall."""


def measure_curve(
    answering: Callable[[Any], Answer],
    settings: Sequence[Any],
    queries: Embeddings,
    truth: NDArray[np.int64],
) -> Curve:
    points: list[Point] = []
    for setting in settings:
        if any(point.recall >= _ENOUGH and _within(point.setting, setting) for point in points):
            continue
        timing, found = singly(answering(setting), queries, _LEAST_QUERIES, _SECONDS)
        recall = recall_at(found, truth[: len(found)])
        p50, p99 = timing.milliseconds(50), timing.milliseconds(99)
        points.append(Point(setting, recall, timing.rate, p50, p99))
    return sorted(_unbeaten(points), key=lambda point: point.recall)


def _within(less: Any, more: Any) -> bool:
    return bool(np.all(np.less_equal(less, more)))


def _unbeaten(points: Sequence[Point]) -> Iterator[Point]:
    best = -1.0
    for point in sorted(points, key=lambda point: (-point.rate, -point.recall)):
        if point.recall > best:
            best = point.recall
            yield point


def rate_at(curve: Curve, recall: float) -> float | None:
    """Queries a second at that recall, between settings in the logarithm; None out of reach."""
    recalls = [point.recall for point in curve]
    if recalls[-1] < recall:
        return None
    return float(np.exp(np.interp(recall, recalls, [np.log(point.rate) for point in curve])))
