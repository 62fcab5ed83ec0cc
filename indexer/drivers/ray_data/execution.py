"""One execution of a dataset on the cluster: batches in, answers out as they come."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa
import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext, Dataset
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from indexer.drivers.ray_data.cluster import Capacity, RayOptions, capacity, joined
from indexer.drivers.ray_data.feed import Feed, FeedSource
from indexer.drivers.ray_data.work import Answer, Recipe, Work, packed, rows_of, unpacked
from indexer.drivers.ray_data.workers import EncodeWorker, prepare
from indexer.errors import ClusterFailed

_BATCHES_A_WORKER = 2
"""One that it is at, and one that waits."""

_CALLS_AT_ONCE = 4
"""Of the feed: the reading task waits in one, and in another where it was lost and begins anew."""

logging.getLogger("ray.data").setLevel(logging.WARNING)
for _said_elsewhere in ("progress", "execution.streaming_executor_state"):
    logging.getLogger(f"ray.data._internal.{_said_elsewhere}").setLevel(logging.CRITICAL)


class Execution:
    """One thread sends, another takes the answers. Both raise ClusterFailed."""

    def __init__(self, recipe: Recipe, available: Capacity) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor: Any = ray.remote(Feed)
        self._feed = actor.options(
            num_cpus=0, max_concurrency=_CALLS_AT_ONCE, scheduling_strategy=here
        ).remote()
        self._dataset = _dataset(self._feed, recipe, available)
        self.batches_ahead = 1 + _BATCHES_A_WORKER * (available.encoders + available.decoders)
        """How many may be sent and not yet answered: nobody waits for work."""

    def send(self, work: Work) -> None:
        """In the order of their numbers, from 0 on."""
        self._ask("put", work.number, packed(work))

    def end(self) -> None:
        """Nothing more is sent: when all is answered, the answers end."""
        self._ask("end")

    def forget(self, number: int) -> None:
        """The batch was answered."""
        self._feed.forget.remote(number)

    def answers(self) -> Iterator[Answer]:
        """In the order in which they come; one may come twice, after a worker was lost."""
        try:
            for batch in self._dataset.iter_batches(
                batch_size=None, batch_format="pyarrow", prefetch_batches=0
            ):
                yield from _answers(batch)
        except Exception as error:  # Ray Data's are of many kinds, with no common base
            raise _failed(error) from error

    def stop(self) -> None:
        """What is at work is given up: without its beginning, the execution fails at once."""
        with suppress(RayError):
            for encoder in ray.get(self._feed.encoders.remote()):
                ray.kill(encoder)  # left to Ray Data, it would finish its batches first
        ray.kill(self._feed)

    def _ask(self, method: str, *given: object) -> None:
        try:
            ray.get(getattr(self._feed, method).remote(*given))
        except RayError as error:
            raise _failed(error) from error


@contextmanager
def opened(options: RayOptions, recipe: Recipe) -> Iterator[Execution]:
    """Raises ClusterFailed."""
    with joined(options):
        available = capacity(options)
        yield Execution(recipe.fitted(available), available)


def _dataset(feed: Any, recipe: Recipe, available: Capacity) -> Dataset:
    with DataContext.current(_context()):
        batches = ray.data.read_datasource(FeedSource(feed), override_num_blocks=1, num_cpus=0)
        prepared = batches.map_batches(
            prepare,
            fn_kwargs={"recipe": recipe, "feed": feed},
            batch_size=1,
            batch_format="pyarrow",
            num_cpus=recipe.threads,
        )
        encoded: Dataset = prepared.map_batches(
            EncodeWorker,
            fn_constructor_kwargs={"recipe": recipe, "feed": feed},
            batch_size=1,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=available.encoders),
            num_cpus=available.cpus_per_encoder,
            num_gpus=available.gpus_per_encoder,
        )
        return encoded


def _answers(batch: pa.Table) -> Iterator[Answer]:
    for row in rows_of(batch):
        if row and isinstance(answer := unpacked(row), Answer):
            yield answer


def _context() -> DataContext:
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # The scan sets the pace: nothing may come of it for as long as it meets what is unchanged.
    context.execution_no_progress_timeout_s = -1
    # A row a block: left to itself, Ray gathers batches until they are 128 MB before it hands any
    # on.
    context.target_max_block_size = 1
    return context


def _failed(error: Exception) -> ClusterFailed:
    cause = error.cause if isinstance(error, RayTaskError) else error
    why = next((line for line in str(cause).splitlines() if line.strip()), "")
    return ClusterFailed(f"embedding with Ray: {type(cause).__name__}: {why.strip()}")
