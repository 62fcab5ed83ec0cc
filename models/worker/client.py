"""The encoder worker as an Embedder. What queues while calls are under way goes in one call."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from math import ceil, sqrt

import numpy as np
from PIL import Image

from models.batching.deadline import in_time
from models.batching.pace import Pace
from models.errors import EncodingFailed, InvalidInput, ModelError, Overloaded
from models.types import Embeddings, EncoderSpec
from models.worker.callers import Caller, caller
from models.worker.link import Links, NotSent

logger = logging.getLogger(__name__)

_CALLS_UNDER_WAY = 8
"""What arrives while so many are, goes in one. With 2, a text waits for a call that waits for a
batch: at 70 % of capacity that was measured to cost a third of a batch's time at the median."""

_IMAGE_CALLS_UNDER_WAY = 2
_TEXTS_A_CALL = 256
_SECONDS_A_CALL = 0.2
"""All texts of a call are answered together: fewer, where the worker is slow."""

_BYTES_A_PICTURE = 8 * 1024 * 1024
_BYTES_A_CALL = 16 * 1024 * 1024
"""Texts wait while a frame is on its way; a frame is at most `frames.MAX_FRAME_BYTES`."""

_MAX_QUEUED = 20_000
_PATIENCE = 0.5
"""The part of a caller's time that may go before the answer is expected; see MicroBatcher."""


@dataclass(eq=False)
class _Question:
    texts: Sequence[str]
    deadline: float
    answer: asyncio.Future[Embeddings]
    caller: Caller


class EncoderClient:
    """See `models.types.Embedder`. `url`: `http://host:port` or `unix:///path/to/socket`.

    A call that was sent and not answered is never sent again: it may be what killed the
    worker. One that did not reach it is.
    """

    def __init__(self, url: str) -> None:
        """Raises ModelUnavailable for a URL that is neither."""
        self._links = Links(url)
        self._waiting: deque[_Question] = deque()
        self._carrying: dict[asyncio.Task[None], int] = {}
        """Calls under way, with their numbers of texts."""
        self._pace = Pace()
        """Seconds that calls of so many texts take, over the link in use."""
        self._answered_at = 0.0
        self._is_sending = False
        self._images = asyncio.Semaphore(_IMAGE_CALLS_UNDER_WAY)

    @property
    def spec(self) -> EncoderSpec:
        """Raises EncoderAway before the worker first answered."""
        return self._links.spec

    @property
    def away(self) -> str | None:
        """Why the worker cannot be asked just now; None while it can."""
        return self._links.away

    async def open(self) -> None:
        """Connect, and stay connected until `close`. A worker that is away is no error yet."""
        await self._links.open()

    async def close(self) -> None:
        await self._links.close()
        if self._carrying:
            await asyncio.wait(self._carrying)

    async def embed_texts(self, texts: Sequence[str], deadline: float) -> Embeddings:
        if not texts:
            return np.empty((0, self.spec.dim), np.float32)
        if len(texts) > _TEXTS_A_CALL:
            parts = [texts[n : n + _TEXTS_A_CALL] for n in range(0, len(texts), _TEXTS_A_CALL)]
            answers = await asyncio.gather(*(self.embed_texts(part, deadline) for part in parts))
            return np.concatenate(answers)
        self._admit(len(texts), deadline - time.monotonic())
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Question(texts, deadline, answer, caller()))
        self._send_soon()
        return await in_time(answer, deadline)

    async def embed_images(self, images: Sequence[Image.Image], deadline: float) -> Embeddings:
        calls = (self._ask_images(call, deadline) for call in _image_calls(images))
        answers = await asyncio.gather(*calls)
        return np.concatenate([np.empty((0, self.spec.dim), np.float32), *answers])

    async def _ask_images(self, images: Sequence[Image.Image], deadline: float) -> Embeddings:
        async def ask() -> Embeddings:
            async with self._images:
                link = await self._links.get()
                return await link.embed_images(images, deadline - time.monotonic())

        return await in_time(ask(), deadline)

    def _admit(self, texts: int, time_left: float) -> None:
        if not self._carrying and not self._waiting:
            return  # where nothing waits an estimate refuses nobody: it could never be put right
        ahead = texts + sum(len(question.texts) for question in self._waiting)
        calls = 1 + ahead // self._room()
        wait = self._pace.seconds(ahead + sum(self._carrying.values()), batches=calls)
        if wait > _PATIENCE * time_left or ahead > _MAX_QUEUED:
            raise Overloaded(wait)

    def _send_soon(self) -> None:
        """What arrives in one turn of the event loop travels together."""
        if not self._is_sending:
            self._is_sending = True
            asyncio.get_running_loop().call_soon(self._send_waiting)

    def _send_waiting(self) -> None:
        self._is_sending = False
        while self._waiting and len(self._carrying) < _CALLS_UNDER_WAY:
            questions = self._next_questions()
            if not questions:
                continue
            task = asyncio.create_task(self._carry(questions))
            self._carrying[task] = sum(len(question.texts) for question in questions)
            task.add_done_callback(self._carried)
            for question in questions:
                question.answer.add_done_callback(partial(_drop, questions, task))

    def _carried(self, task: asyncio.Task[None]) -> None:
        del self._carrying[task]
        self._send_waiting()

    def _next_questions(self) -> list[_Question]:
        """What goes in a call, the oldest first, without those nobody waits for any more."""
        taken: list[_Question] = []
        room = self._room()
        while self._waiting and (not taken or len(self._waiting[0].texts) <= room):
            question = self._waiting.popleft()
            if not question.answer.done():
                taken.append(question)
                room -= len(question.texts)
        return taken

    def _room(self) -> int:
        """Texts that go in a call."""
        return max(1, int(min(_TEXTS_A_CALL, self._pace.work_within(_SECONDS_A_CALL))))

    async def _carry(self, questions: Sequence[_Question]) -> None:
        texts = [text for question in questions for text in question.texts]
        started = time.monotonic()
        try:
            embeddings = await self._ask(texts, questions)
        except InvalidInput as error:
            await self._carry_halves(questions, error)
        except ModelError as error:
            _fail(questions, error)
        except Exception as error:
            logger.exception("a call could not be made")
            _fail(questions, EncodingFailed(f"the call could not be made: {error}"))
        else:
            self._observe(len(texts), started)
            _answer(questions, embeddings)

    async def _carry_halves(self, questions: Sequence[_Question], error: InvalidInput) -> None:
        """One bad text spoils a call for those that travelled with it: find it by halving."""
        if len(questions) == 1:
            _fail(questions, error)
            return
        middle = len(questions) // 2
        await asyncio.gather(self._carry(questions[:middle]), self._carry(questions[middle:]))

    async def _ask(self, texts: Sequence[str], questions: Sequence[_Question]) -> Embeddings:
        deadline = max(question.deadline for question in questions)
        callers = [question.caller for question in questions]
        link = await self._links.get()
        self._pace = link.pace
        try:
            return await link.embed_texts(texts, deadline - time.monotonic(), callers)
        except NotSent:
            link = await self._links.get()
            return await link.embed_texts(texts, deadline - time.monotonic(), callers)

    def _observe(self, texts: int, started: float) -> None:
        """What this call added: the worker takes calls one after the other."""
        now = time.monotonic()
        self._pace.observe(texts, now - max(started, self._answered_at))
        self._answered_at = now


def _image_calls(images: Sequence[Image.Image]) -> Iterator[list[Image.Image]]:
    call: list[Image.Image] = []
    size = 0
    for image in map(_bounded, images):
        bytes_ = 3 * image.width * image.height
        if call and size + bytes_ > _BYTES_A_CALL:
            yield call
            call, size = [], 0
        call.append(image)
        size += bytes_
    if call:
        yield call


def _bounded(image: Image.Image) -> Image.Image:
    """Reduced by a whole factor where it is far larger than any encoder reads."""
    excess = 3 * image.width * image.height / _BYTES_A_PICTURE
    return image.reduce(ceil(sqrt(excess))) if excess > 1 else image


def _answer(questions: Sequence[_Question], embeddings: Embeddings) -> None:
    start = 0
    for question in questions:
        end = start + len(question.texts)
        if not question.answer.done():
            question.answer.set_result(embeddings[start:end].copy())
        start = end


def _fail(questions: Sequence[_Question], error: ModelError) -> None:
    """An error each: one that is raised in two tasks is garbled."""
    for question in questions:
        if not question.answer.done():
            question.answer.set_exception(copy(error))


def _drop(
    questions: Sequence[_Question], task: asyncio.Task[None], _: asyncio.Future[Embeddings]
) -> None:
    """Call a call off once nobody waits for any of its answers."""
    if all(question.answer.done() for question in questions):
        task.cancel()
