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

from indexer.catalog.db import Database
from indexer.catalog.tables import Shard
from indexer.embedding.known import Known
from indexer.embedding.rows import NewRow, Place, write_rows
from indexer.embedding.scan import SamePicture
from indexer.embedding.shards import ShardFile, write_shard
from indexer.layout import CollectionFolder
from models.types import Embeddings

logger = logging.getLogger(__name__)

_SHARD_ROWS = 4096
_SHARD_SECONDS = 10.0
"""What is in hand is written when it is so much or so old: the most work that a crash costs."""

_BATCHES_AHEAD = 64
"""Encoded and not yet written. A disk that is further behind makes the encoder wait."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A batch that is with the encoder: its embeddings go, in order, to those places."""

    embeddings: Future[Embeddings]
    places: Sequence[Place]


Work = Encoding | NewRow | SamePicture


class Writer:
    """A context manager; leaving it commits all that is finished, also where an error is the
    reason. Work is written in the order in which it is put: a row after its embedding.
    """

    def __init__(
        self, database: Database, folder: CollectionFolder, known: Known, fingerprint: str
    ) -> None:
        self._database = database
        self._folder = folder
        self._known = known
        self._fingerprint = fingerprint
        self._queue: queue.Queue[Sequence[Work] | None] = queue.Queue(_BATCHES_AHEAD)
        self._error: BaseException | None = None
        self._is_over = False
        self._rows: list[NewRow] = []
        self._same: list[SamePicture] = []
        self._places: list[Place] = []
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
            for row, place in enumerate(work.places, start=len(self._places)):
                place.row = row
            self._places += work.places
            self._embeddings.append(work.embeddings.result())
        return True

    def _pending(self) -> int:
        return max(len(self._places), len(self._rows), len(self._same))

    def _seconds_left(self) -> float:
        return self._written_at + _SHARD_SECONDS - time.monotonic()

    def _commit(self) -> None:
        """Make the work in hand durable: one shard, one transaction."""
        if self._rows or self._same:
            shard_id = self._write()
            for place in self._places:
                place.shard_id = shard_id
            self._rows, self._same, self._places, self._embeddings = [], [], [], []
        self._written_at = time.monotonic()

    def _write(self) -> int | None:
        """The id of the new shard; None where there is nothing to put into one."""
        file = None
        if self._embeddings:
            file = write_shard(self._folder.shards, np.concatenate(self._embeddings))
        with self._database.write() as session:
            shard = None if file is None else self._shard(file)
            if shard is not None:
                session.add(shard)
                session.flush()
            shard_id = None if shard is None else shard.id
            write_rows(session, self._known, self._rows, self._same, shard_id)
            if shard_id is not None:  # before the rows can be seen, and taken for another model's
                self._known.usable_shards.add(shard_id)
        return shard_id

    def _shard(self, file: ShardFile) -> Shard:
        return Shard(
            collection_id=self._known.collection_id,
            path=file.path,
            encoder_fingerprint=self._fingerprint,
            rows=file.rows,
            sha256=file.sha256,
        )


def _has_come(embeddings: Future[Embeddings]) -> bool:
    """Waits. What the encoder raised is raised where the batch was encoded."""
    try:
        return embeddings.exception() is None
    except CancelledError:
        return False
