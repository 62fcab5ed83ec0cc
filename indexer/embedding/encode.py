"""From single pictures to batches that are worth a forward pass, and on to the writer."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Self

from indexer.drivers.base import Encode, Leave
from indexer.embedding.known import Embedded
from indexer.embedding.prepare import Prepared
from indexer.embedding.rows import NewRow
from indexer.embedding.write import Encoding, Writer
from models.types import Embeddings

_PRUNE_EVERY = 4096
_ROWS_A_PICTURE = 16
"""A batch is encoded though it is not full, where so many rows a place in it wait: among a million
pictures that were moved there may be one that is new.
"""


class BatchEncoder:
    """Content that has an embedding already, in the catalog or on its way there, shares it.

    A context manager; left by an error, it cancels what the encoder has not begun.
    """

    def __init__(
        self, encode: Encode, embedded: Embedded, writer: Writer, leave: Leave, batch_size: int
    ) -> None:
        self.embedded = 0
        self.shared = 0
        self._encode_batch = encode
        self._embedded = embedded
        self._writer = writer
        self._leave = leave
        self._batch_size = batch_size
        self._max_rows = _ROWS_A_PICTURE * batch_size
        self._arrived: list[Prepared] = []
        self._batch: list[Prepared] = []
        self._rows: list[NewRow] = []
        """Of the batch, and of what shares with it: they go with its embeddings."""
        self._contents: set[str] = set()
        """That were given to the encoder, and may not be in the catalog yet."""
        self._without_row = 0
        """Of the batch: pictures that nothing is to be written of but the embedding."""
        self._prune_at = _PRUNE_EVERY
        self._complete = 0
        self._under_way: deque[tuple[Future[Embeddings], int]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            for embeddings, _ in list(self._under_way)[1:]:  # the first is at work, or done
                embeddings.cancel()

    def add(self, picture: Prepared) -> None:
        """To be encoded, and its row to be written."""
        self._arrived.append(picture)
        if len(self._arrived) == self._batch_size:
            self._sort_arrived()

    def add_content(self, picture: Prepared) -> None:
        """To be encoded: its row is in the catalog already."""
        self._batch.append(picture)
        self._without_row += 1
        if len(self._batch) == self._batch_size:
            self._encode()

    def flush(self) -> None:
        """Encode what there is, though it may be no full batch."""
        self._sort_arrived()
        self._encode()

    def finished(self, *, wait: bool = False) -> int:
        """How many pictures have got their embedding since the last call; with `wait`, all that
        are under way get it. Raises what their encoding raised.
        """
        count, self._complete = self._complete, 0
        while self._under_way and (wait or self._under_way[0][0].done()):
            embeddings, pictures = self._under_way.popleft()
            embeddings.result()
            count += pictures
        return count

    def _sort_arrived(self) -> None:
        """Into what is new to the encoder and what shares an embedding."""
        self._prune()
        arrived, self._arrived = self._arrived, []
        given = {one.content_hash for one in arrived}
        self._contents |= self._embedded.contents(given - self._contents)
        for picture in arrived:
            if picture.content_hash in self._contents:
                self.shared += 1
                self._leave(picture.pixels.nbytes, 1)
            else:
                self._contents.add(picture.content_hash)
                self._batch.append(picture)
            self._rows.append(_row(picture))
            if len(self._batch) == self._batch_size or len(self._rows) == self._max_rows:
                self._encode()
        if not self._batch:
            self._encode()

    def _encode(self) -> None:
        rows, self._rows = self._rows, []
        batch, self._batch = self._batch, []
        if not batch:
            self._shared_rows(rows)
            return
        embeddings = self._encode_batch([picture.pixels for picture in batch])
        size = sum(picture.pixels.nbytes for picture in batch)
        embeddings.add_done_callback(partial(_leave, self._leave, size, len(batch)))
        self.embedded += len(batch)
        self._under_way.append((embeddings, len(rows) + self._without_row))
        self._without_row = 0
        contents = [picture.content_hash for picture in batch]
        self._writer.put(Encoding(embeddings, contents), *rows)

    def _shared_rows(self, rows: Sequence[NewRow]) -> None:
        if rows:
            self._complete += len(rows)
            self._writer.put(*rows)

    def _prune(self) -> None:
        """Forget contents whose embedding is in the catalog by now."""
        if len(self._contents) >= self._prune_at:
            self._contents -= self._embedded.contents(self._contents)
            self._prune_at = len(self._contents) + _PRUNE_EVERY


def _leave(leave: Leave, size: int, pictures: int, _: Future[Embeddings]) -> None:
    leave(size, pictures)


def _row(picture: Prepared) -> NewRow:
    return NewRow(
        item=picture.item,
        known=picture.known,
        content_hash=picture.content_hash,
        size=picture.size,
        format=picture.format,
        width=picture.width,
        height=picture.height,
    )
