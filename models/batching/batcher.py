"""The queue before the device: it is cut into batches the moment the device is free.

No batch waits for company. While the device is busy, requests queue; when it is free it
takes what has queued, so that batches grow with the load and a lone request goes at once.
Texts go before images. Requests are submitted on event loops and taken on the engine's thread.
"""

import asyncio
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from models.batching.batch import Batch, ErrorFactory, Item, Lane, Request
from models.batching.metrics import EncodeMetrics
from models.batching.pace import Pace
from models.errors import DeadlineExceeded, Overloaded
from models.tracing import tell
from models.types import Embeddings, Pixels, Tokens

_PATIENCE = 0.5
"""The part of a caller's time that may go before the answer is expected, or it is turned away:
the estimate may be wrong by a factor of two before what was admitted misses its deadline."""

_TEXT_BATCHES_BEFORE_IMAGES = 8
"""After so many in a row, images that wait get a turn."""

_SORTED_BATCHES = 4
"""So many batches' worth of a backlog are searched for texts of like length."""


@dataclass(frozen=True)
class BatchLimits:
    max_tokens: int = 8192
    """Padded: texts of a batch × length of the longest."""
    max_texts: int = 256
    max_images: int = 32
    max_seconds: float = 0.2
    """Who arrives meanwhile waits for it: fewer texts and images where the device is slow."""
    max_queued: int = 20_000
    """Texts and images, whatever their deadlines: the bound on memory."""


class MicroBatcher:
    """`lengths`: what texts may be padded to, ascending."""

    def __init__(
        self, lengths: tuple[int, ...], metrics: EncodeMetrics, limits: BatchLimits | None = None
    ) -> None:
        self.limits = limits or BatchLimits()
        self.pace = {lane: Pace() for lane in Lane}
        """Work is padded tokens, or images."""
        self._lengths = lengths
        self._metrics = metrics
        self._queues: dict[Lane, deque[Item]] = {lane: deque() for lane in Lane}
        self._queued_work = dict.fromkeys(Lane, 0)
        self._running: tuple[Batch, float] | None = None
        self._texts_in_a_row = 0
        self._closed: ErrorFactory | None = None
        self._changed = threading.Condition()

    def submit_texts(self, texts: Sequence[Tokens], deadline: float) -> asyncio.Future[Embeddings]:
        """On an event loop. Raises Overloaded where the deadline could hardly be kept."""
        lengths = [self._padded(len(text)) for text in texts]
        return self._submit(Lane.TEXTS, texts, lengths, deadline)

    def submit_images(
        self, images: Sequence[Pixels], deadline: float
    ) -> asyncio.Future[Embeddings]:
        """On an event loop. Raises Overloaded where the deadline could hardly be kept."""
        return self._submit(Lane.IMAGES, images, [1] * len(images), deadline)

    def take(self) -> Batch | None:
        """On the engine's thread: blocks until there is work; None once closed and empty."""
        with self._changed:
            self._running = None
            while (lane := self._next_lane()) or not self._closed:
                if lane is None:
                    self._changed.wait()
                elif items := self._cut(lane):
                    batch = Batch(lane, items)
                    self._running = batch, time.monotonic()
                    self._observe_waits(batch)
                    return batch
        return None

    def observe(self, batch: Batch, seconds: float) -> None:
        """On the engine's thread: a batch was encoded, in so much time."""
        self.pace[batch.lane].observe(batch.work, seconds)
        self._metrics.batch_size[batch.lane].observe(len(batch.items))
        self._metrics.batch_seconds[batch.lane].observe(seconds)
        if batch.lane is Lane.TEXTS:
            self._metrics.tokens.inc(batch.work)

    def close(self, error: ErrorFactory) -> None:
        """What is queued will still be encoded; what is submitted from now on raises `error`."""
        with self._changed:
            self._closed = error
            self._changed.notify()

    def abort(self, error: ErrorFactory) -> None:
        """Close, and fail all there is, queued and running."""
        self.close(error)
        with self._changed:
            doomed = {item.request for queue in self._queues.values() for item in queue}
            if self._running is not None:
                doomed |= self._running[0].requests
            for lane in Lane:
                self._queues[lane].clear()
        for request in doomed:
            request.fail(error())

    def _submit(
        self,
        lane: Lane,
        payloads: Sequence[Tokens | Pixels],
        lengths: Sequence[int],
        deadline: float,
    ) -> asyncio.Future[Embeddings]:
        loop, now = asyncio.get_running_loop(), time.monotonic()
        request = Request(deadline, now, len(payloads), loop.create_future(), loop)
        with self._changed:
            if self._closed:
                raise self._closed()
            self._admit(lane, lengths, deadline - now)
            for row, (payload, length) in enumerate(zip(payloads, lengths, strict=True)):
                self._queues[lane].append(Item(request, row, payload, length))
            request.queued_work = sum(lengths)
            self._queued_work[lane] += request.queued_work
            self._changed.notify()
        request.future.add_done_callback(lambda _: self._write_off(lane, request))
        return request.future

    def _write_off(self, lane: Lane, request: Request) -> None:
        """What nobody waits for any more keeps nobody from being admitted."""
        with self._changed:
            self._queued_work[lane] -= request.queued_work
            request.queued_work = 0

    def _admit(self, lane: Lane, lengths: Sequence[int], time_left: float) -> None:
        """Where nothing waits the estimate refuses nobody: it could never be put right."""
        wait = self._expected_wait(lane)
        takes = self.pace[lane].seconds(sum(lengths))
        queued = sum(map(len, self._queues.values()))
        late = wait > 0 and wait + takes > _PATIENCE * time_left
        if late or queued + len(lengths) > self.limits.max_queued:
            self._metrics.refused.labels("overloaded").inc()
            raise Overloaded(wait)

    def _expected_wait(self, lane: Lane) -> float:
        """Seconds until what is submitted now would be taken."""
        wait = self._expected(Lane.TEXTS, self.limits.max_tokens)
        if lane is Lane.IMAGES:
            wait += self._expected(Lane.IMAGES, self.limits.max_images)
        if self._running is not None:
            batch, since = self._running
            expected = self.pace[batch.lane].seconds(batch.work)
            wait += max(0.0, since + expected - time.monotonic())
        return wait

    def _expected(self, lane: Lane, full_batch: int) -> float:
        work = self._queued_work[lane]
        return self.pace[lane].seconds(work, batches=-(-work // full_batch)) if work else 0.0

    def _padded(self, length: int) -> int:
        return self._lengths[min(bisect_left(self._lengths, length), len(self._lengths) - 1)]

    def _next_lane(self) -> Lane | None:
        texts, images = (bool(self._queues[lane]) for lane in Lane)
        if images and (not texts or self._texts_in_a_row >= _TEXT_BATCHES_BEFORE_IMAGES):
            self._texts_in_a_row = 0
            return Lane.IMAGES
        self._texts_in_a_row = self._texts_in_a_row + 1 if images else 0
        return Lane.TEXTS if texts else None

    def _cut(self, lane: Lane) -> list[Item]:
        """The next batch, out of the queue; empty if nobody waits for what was left there."""
        if lane is Lane.IMAGES:
            affordable = self.pace[lane].work_within(self.limits.max_seconds)
            return self._pop(lane, max(1, int(min(affordable, self.limits.max_images))))
        window = self._pop(lane, _SORTED_BATCHES * self.limits.max_texts)
        taken = set(self._alike(window))
        left = [item for number, item in enumerate(window) if number not in taken]
        self._queues[lane].extendleft(reversed(left))
        for item in left:
            self._count(lane, item, item.length)
        return [window[number] for number in sorted(taken)]

    def _alike(self, window: Sequence[Item]) -> list[int]:
        """Positions of texts that make a batch: the oldest, so that none starves, and with it
        those that are no longer, by likeness, before those that are.
        """
        oldest = window[0].length if window else 0
        order = sorted(
            range(len(window)),
            key=lambda n: (window[n].length > oldest, abs(window[n].length - oldest)),
        )
        max_texts, max_tokens = self.limits.max_texts, self._affordable_tokens()
        longest = oldest
        for count, number in enumerate(order):
            longest = max(longest, window[number].length)
            if count and (count == max_texts or (count + 1) * longest > max_tokens):
                return order[:count]
        return order

    def _affordable_tokens(self) -> float:
        affordable = self.pace[Lane.TEXTS].work_within(self.limits.max_seconds)
        return min(self.limits.max_tokens, affordable)

    def _pop(self, lane: Lane, count: int) -> list[Item]:
        """Up to so many items whose requests are still waited for; the others go for good."""
        queue, now = self._queues[lane], time.monotonic()
        popped: list[Item] = []
        while queue and len(popped) < count:
            item = queue.popleft()
            if item.request.is_abandoned:
                self._count_refused(item, "abandoned")
            elif item.request.deadline <= now:
                item.request.fail(DeadlineExceeded("the time was over before the encoder was free"))
                self._count_refused(item, "deadline")
            else:
                self._count(lane, item, -item.length)
                popped.append(item)
        return popped

    def _count(self, lane: Lane, item: Item, work: int) -> None:
        self._queued_work[lane] += work
        item.request.queued_work += work

    def _count_refused(self, item: Item, reason: str) -> None:
        if item.row == 0:
            self._metrics.refused.labels(reason).inc()

    def _observe_waits(self, batch: Batch) -> None:
        now = time.monotonic()
        for request in batch.requests:
            if not request.was_taken:
                request.was_taken = True
                waited = now - request.submitted
                self._metrics.queue_seconds.observe(waited)
                tell(request.span, queue_ms=round(waited * 1000, 3), batch=len(batch.items))
