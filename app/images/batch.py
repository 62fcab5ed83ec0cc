"""Many writes in one request: a line of JSON each, answered by a line each, in their order.

Lines are made ready side by side and committed in groups. A group is what is ready when the one
before it is done: who sends line by line is answered line by line. Results wait in memory for who
reads them late; a client may send everything first.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from app.errors import Problem
from app.images.batch_line import ReadyLine, answer, ready_line
from app.images.lines import lines
from app.images.writer import ImageWriter
from indexer.catalog.tables import Collection
from indexer.live.writes import Outcome

MEDIA_TYPE = "application/x-ndjson"
MEDIA_TYPES = {MEDIA_TYPE, "application/ndjson", "application/jsonl", "application/json"}
"""No page of another site can send these without being allowed to."""

MAX_LINES = 100_000
_GROUP = 64
_AHEAD = 2 * _GROUP
"""Lines under way: a group is made ready while another is committed."""

_FACTOR = 3
"""Of a line's bytes, how many are in memory: itself, its text, and the picture in it."""


class TooManyLines(Problem):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_many_lines"


class BatchResponse(StreamingResponse):
    """Starlette's own would read the request besides, to see whether the client is there."""

    media_type = MEDIA_TYPE

    def __init__(self, batch: "Batch") -> None:
        self._answers = batch.answers()
        super().__init__(self._answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        async with aclosing(self._answers):
            await self.stream_response(send)


class Batch:
    def __init__(self, writer: ImageWriter, owner: Collection, request: Request) -> None:
        self._writer = writer
        self._owner = owner
        self._request = request
        self._tasks: deque[asyncio.Task[ReadyLine]] = deque()
        """Lines that are being made ready, in their order."""
        self._ahead = asyncio.Semaphore(_AHEAD)
        self._is_read = False
        """There are no more lines."""
        self._is_whole = False
        """The body came to its end: what the client sends next is that it went."""
        self._changed = asyncio.Event()
        self._answers: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def answers(self) -> AsyncGenerator[bytes]:
        """Every line that is answered as done was committed. If the client goes, the rest of its
        lines is not.
        """
        async with self._writer.batches:
            work = [asyncio.create_task(self._read()), asyncio.create_task(self._commit_all())]
            try:
                while (line := await self._answers.get()) is not None:
                    yield line
                await asyncio.gather(*work)
            finally:
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
                self._drop()

    async def _read(self) -> None:
        number = 0
        try:
            max_bytes = self._writer.intake.reader.max_body_bytes
            async with aclosing(lines(self._request.stream(), max_bytes)) as found:
                async for line in found:
                    _require_few(number)
                    number += 1
                    if line is None or line.strip():
                        await self._start(number, line)
            self._is_whole = True
        except ClientDisconnect:
            self._drop()
        except (HTTPException, TooManyLines) as error:  # a body that is too long, or too slow
            await self._ahead.acquire()
            self._add(asyncio.create_task(_failed(number + 1, error)))
        finally:
            self._is_read = True
            self._changed.set()

    async def _start(self, number: int, line: bytes | None) -> None:
        """Once there is room for it: until then the client is not read from."""
        await self._ahead.acquire()
        admission = self._writer.intake.reader.admission
        admitted = await admission.enter(_FACTOR * len(line or b""))
        task = asyncio.create_task(ready_line(self._writer.intake, self._owner, number, line))
        task.add_done_callback(lambda _: admission.leave(admitted))
        self._add(task)

    def _add(self, task: asyncio.Task[ReadyLine]) -> None:
        self._tasks.append(task)
        self._changed.set()

    def _drop(self) -> None:
        while self._tasks:
            self._tasks.pop().cancel()

    async def _commit_all(self) -> None:
        try:
            while group := await self._group():
                if self._is_whole and await self._request.is_disconnected():
                    break
                for line, outcome in zip(group, await self._outcomes(group), strict=True):
                    self._answers.put_nowait(answer(line, outcome))
                    self._ahead.release()
        finally:
            self._answers.put_nowait(None)

    async def _group(self) -> list[ReadyLine]:
        """The next lines that are ready, at least one; none at the end."""
        while not self._tasks:
            if self._is_read:
                return []
            self._changed.clear()
            await self._changed.wait()
        group = [await self._tasks.popleft()]
        while self._tasks and self._tasks[0].done() and len(group) < _GROUP:
            group.append(self._tasks.popleft().result())
        return group

    async def _outcomes(self, group: Sequence[ReadyLine]) -> list[Outcome | Exception]:
        writes = [line.write for line in group if line.write is not None]
        try:
            outcomes = iter(await self._writer.commit(self._owner, writes) if writes else [])
        except Exception as error:  # noqa: BLE001 - is the answer to each of them
            return [line.error or error for line in group]
        return [line.error or next(outcomes) for line in group]


def _require_few(before: int) -> None:
    if before == MAX_LINES:
        raise TooManyLines(f"a batch has at most {MAX_LINES} lines")


async def _failed(number: int, error: Exception) -> ReadyLine:
    return ReadyLine(number, error=error)
