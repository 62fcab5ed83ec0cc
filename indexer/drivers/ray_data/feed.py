"""The beginning of the dataset: batches as the scan finds them.

A dataset of Ray Data is read by tasks on the cluster, and the scan runs on the driver. Between them
stands an actor that holds the batches that are sent and not yet answered. So one execution, whose
encoders load their model once, lasts for the whole run; memory is bounded where batches are sent;
and a reading task that is lost with its node asks again for what is still to be done, in the same
order.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count
from threading import Condition
from typing import Any

import pyarrow as pa
import ray
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from indexer.drivers.ray_data.work import table_of


class Feed:
    """An actor; its methods are called by several threads."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._rows: dict[int, bytes] = {}
        self._begun: dict[int, Counter[str]] = {}
        self._put = 0
        self._has_ended = False
        self._encoders: list[Any] = []

    def put(self, number: int, row: bytes) -> None:
        """Numbers count from 0."""
        with self._changed:
            self._rows[number] = row
            self._begun[number] = Counter()
            self._put = number + 1
            self._changed.notify_all()

    def end(self) -> None:
        """No more will be put."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def take(self, number: int) -> bytes | None:
        """Waits for the batch; empty where it was forgotten, None where it will never come."""
        with self._changed:
            self._changed.wait_for(lambda: number < self._put or self._has_ended)
            return self._rows.get(number, b"") if number < self._put else None

    def begin(self, number: int, stage: str) -> int:
        """How often work on the batch has begun, this time included."""
        with self._changed:
            begun = self._begun.get(number, Counter[str]())
            begun[stage] += 1
            return begun[stage]

    def join(self, encoder: Any) -> None:
        """An actor is at work for this run."""
        with self._changed:
            self._encoders.append(encoder)

    def encoders(self) -> list[Any]:
        with self._changed:
            return self._encoders

    def forget(self, number: int) -> None:
        """The batch was answered."""
        with self._changed:
            del self._rows[number], self._begun[number]


class FeedSource(Datasource):
    """One reading task, which takes up no CPU: it hands batches on, and waits for more."""

    def __init__(self, feed: Any) -> None:
        self._feed = feed

    def estimate_inmemory_data_size(self) -> None:
        return None

    def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(partial(_rows, self._feed), unknown)]


def _rows(feed: Any) -> Iterator[pa.Table]:
    for number in count():
        row = ray.get(feed.take.remote(number))
        if row is None:
            return
        yield table_of(row)
