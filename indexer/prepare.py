"""The CPU half of embedding: read, hash, decode and resize, in threads, in source order."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from indexer.decode import DecodeLimits, decode
from indexer.errors import Rejected
from indexer.sources.base import ImageSource, SourceItem, SourceReject
from models.types import Encoder, Pixels

_AHEAD_PER_THREAD = 32
"""Pictures decoded and not yet embedded, for each thread: the bound on memory."""


@dataclass(frozen=True)
class Prepared:
    """A picture ready for the encoder; width and height are the original's, upright."""

    item: SourceItem
    content_hash: str
    format: str
    width: int
    height: int
    pixels: Pixels


@dataclass(frozen=True)
class SameContent:
    """The file was touched, its bytes are what they were."""

    item: SourceItem


Outcome = Prepared | SameContent | SourceReject


class Preparer:
    """`known_hash` answers the content hash that a key had at the last run, or None."""

    def __init__(
        self,
        source: ImageSource,
        encoder: Encoder,
        limits: DecodeLimits,
        known_hash: Callable[[str], str | None],
        threads: int,
    ) -> None:
        self._source = source
        self._encoder = encoder
        self._limits = limits
        self._known_hash = known_hash
        self._threads = threads or os.cpu_count() or 1

    def run(self, items: Iterable[SourceItem]) -> Iterator[Outcome]:
        """The outcome of each item, in order."""
        pending: deque[Future[Outcome]] = deque()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="decode") as pool:
            try:
                for item in items:
                    pending.append(pool.submit(self._prepare, item))
                    if len(pending) >= _AHEAD_PER_THREAD * self._threads:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, item: SourceItem) -> Outcome:
        try:
            data = self._source.read(item)
            content_hash = hashlib.sha256(data).hexdigest()
            if content_hash == self._known_hash(item.key):
                return SameContent(item)
            decoded = decode(data, limits=self._limits, min_side_hint=self._encoder.spec.image_size)
        except Rejected as rejected:
            return SourceReject(item.key, rejected.reason, rejected.detail)
        return Prepared(
            item=item,
            content_hash=content_hash,
            format=decoded.format,
            width=decoded.width,
            height=decoded.height,
            pixels=self._encoder.to_pixels(decoded.image),
        )
