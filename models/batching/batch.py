"""What is encoded together: items of one or many requests, and the way of the answers home.

Requests come from event loops and their futures are resolved there; batches are made and
encoded on the engine's thread.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from operator import itemgetter

import numpy as np
from opentelemetry.trace import Span, get_current_span

from models.errors import ModelError
from models.request_id import REQUEST_ID
from models.types import Embeddings, Pixels, Tokens

ErrorFactory = Callable[[], ModelError]
"""Each request gets an error of its own: one that is raised in two tasks is garbled."""


class Lane(StrEnum):
    TEXTS = "text"
    IMAGES = "image"


@dataclass(eq=False)
class Request:
    """Rows that were asked for together and are answered together."""

    deadline: float
    submitted: float
    rows: int
    future: asyncio.Future[Embeddings]
    loop: asyncio.AbstractEventLoop
    queued_work: int = 0
    """Of its items that wait in the queue: padded tokens, or images."""
    was_taken: bool = False
    request_id: str | None = field(default_factory=REQUEST_ID.get)
    span: Span = field(default_factory=get_current_span)
    """That of whoever asks, which is told how long it waited."""
    _done: list[tuple[int, Embeddings]] = field(default_factory=list)

    @property
    def is_abandoned(self) -> bool:
        """Nobody waits any more, or it has failed already."""
        return self.future.done()

    def fill(self, row: int, embedding: Embeddings) -> None:
        """On the request's loop: one row of the answer, shape (dim,)."""
        self._done.append((row, embedding))
        if len(self._done) == self.rows and not self.future.done():
            ordered = sorted(self._done, key=itemgetter(0))
            self.future.set_result(np.stack([embedding for _, embedding in ordered]))

    def fail(self, error: ModelError) -> None:
        """From any thread."""
        _call(self.loop, self._fail, error)

    def _fail(self, error: ModelError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(eq=False, slots=True)
class Item:
    request: Request
    row: int
    payload: Tokens | Pixels
    length: int
    """Tokens, padding included; 1 for an image."""


@dataclass(frozen=True)
class Batch:
    lane: Lane
    items: Sequence[Item]

    @property
    def work(self) -> int:
        """Padded tokens, or images."""
        return len(self.items) * max(item.length for item in self.items)

    @property
    def requests(self) -> set[Request]:
        return {item.request for item in self.items}

    @property
    def whose(self) -> dict[str, str]:
        """For a line of the log."""
        ids = sorted({one.request_id for one in self.requests if one.request_id})
        return {"request_id": ",".join(ids)} if ids else {}

    def resolve(self, embeddings: Embeddings) -> None:
        """From any thread. Shape (len(items), dim)."""
        rows = zip(self.items, embeddings, strict=True)
        for loop, answers in groupby(rows, key=lambda answer: answer[0].request.loop):
            _call(loop, _fill, list(answers))

    def fail(self, error: ErrorFactory) -> None:
        """From any thread."""
        for request in self.requests:
            request.fail(error())


def _fill(answers: Iterable[tuple[Item, Embeddings]]) -> None:
    for item, embedding in answers:
        item.request.fill(item.row, embedding)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: object) -> None:
    with suppress(RuntimeError):  # the loop is closed, and whoever waited on it is gone
        loop.call_soon_threadsafe(function, *args)
