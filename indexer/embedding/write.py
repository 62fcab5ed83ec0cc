"""Embeddings and rows to disk, on a thread of their own: the encoder waits for neither.

Work is committed a shard at a time, the file first and the rows second: a crash loses at
most the shard in hand, and no row is ever without its embedding.
"""

import logging
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from indexer.embedding.known import Embedded
from indexer.embedding.rows import NewRow, add_shard, write_embeddings, write_rows
from indexer.embedding.scan import SamePicture
from indexer.embedding.shards import write_shard
from indexer.layout import CollectionFolder
from indexer.lease import Lease
from models.types import Embeddings

logger = logging.getLogger(__name__)

_SHARD_ROWS = 4096
_SHARD_SECONDS = 10.0
"""What is in hand is written when it is so much or so old: the most work that a crash costs."""

_BATCHES_AHEAD = 64
"""Encoded and not yet written. A disk that is further behind makes the encoder wait."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A batch that is with the encoder: what it makes of those content hashes, in order."""

    embeddings: Future[Embeddings]
    contents: Sequence[str]


Work = Encoding | NewRow | SamePicture


class Writer:
    """A context manager; leaving it commits all that is finished, also where an error is the
    reason. Work is written in the order in which it is put: a row after its embedding.
    """

    def __init__(
        self,
        lease: Lease,
        folder: CollectionFolder,
        embedded: Embedded,
        source_id: int | None = None,
    ) -> None:
        """`source_id`: of the rows; None where there will be embeddings alone."""
        self._lease = lease
        self._folder = folder
        self._embedded = embedded
        self._source_id = source_id
        self._queue: queue.Queue[Sequence[Work] | None] = queue.Queue(_BATCHES_AHEAD)
        self._error: BaseException | None = None
        self._is_over = False
        self._rows: list[NewRow] = []
        self._same: list[SamePicture] = []
        self._contents: list[str] = []
        self._embeddings: list[Embeddings] = []
        self._written_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="write")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        if error is None:
            self._raise()
        elif self._error not in {None, error}:
            logger.error("what was finished could not all be kept: %s", self._error)

    def put(self, *work: Work) -> None:
        """Waits while the disk is far behind. Raises what earlier work came to grief over."""
        self._raise()
        self._queue.put(work)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._is_over and all(map(self._take, self._next())):
                if self._seconds_left() <= 0 or self._pending() >= _SHARD_ROWS:
                    self._commit()
            self._commit()
        except BaseException as error:  # noqa: BLE001 - raised where work is put
            self._error = error
        while not self._is_over:  # or whoever puts work would wait for ever
            self._is_over = self._queue.get() is None

    def _next(self) -> Sequence[Work]:
        """Nothing, where the work is over or what is in hand is due."""
        try:
            work = self._queue.get(timeout=max(0.0, self._seconds_left()))
        except queue.Empty:
            return ()
        self._is_over = work is None
        return work or ()

    def _take(self, work: Work) -> bool:
        """False where there is no embedding: of what comes after, rows may lack theirs."""
        if isinstance(work, NewRow):
            self._rows.append(work)
        elif isinstance(work, SamePicture):
            self._same.append(work)
        else:
            if not _has_come(work.embeddings):
                return False
            self._contents += work.contents
            self._embeddings.append(work.embeddings.result())
        return True

    def _pending(self) -> int:
        return max(len(self._contents), len(self._rows), len(self._same))

    def _seconds_left(self) -> float:
        return self._written_at + _SHARD_SECONDS - time.monotonic()

    def _commit(self) -> None:
        """Make the work in hand durable: one shard, one transaction."""
        if self._rows or self._same or self._contents:
            self._write()
            self._rows, self._same, self._contents, self._embeddings = [], [], [], []
        self._written_at = time.monotonic()

    def _write(self) -> None:
        file = None
        if self._embeddings:
            file = write_shard(self._folder.shards, np.concatenate(self._embeddings))
        with self._embedded.database.write() as session:
            self._lease.guard(session)
            if file is not None:
                shard_id = add_shard(session, self._embedded, file)
                places = [{"shard_id": shard_id, "shard_row": row} for row in range(file.rows)]
                write_embeddings(session, self._embedded, self._contents, places)
            if self._rows or self._same:
                collection_id = self._embedded.collection_id
                write_rows(session, collection_id, self._source_id, self._rows, self._same)


def _has_come(embeddings: Future[Embeddings]) -> bool:
    """Waits. What the encoder raised is raised where the batch was encoded."""
    try:
        return embeddings.exception() is None
    except CancelledError:
        return False
