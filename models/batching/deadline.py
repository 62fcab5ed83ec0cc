"""Waiting no longer than a caller has time for."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

from models.errors import DeadlineExceeded

Answer = TypeVar("Answer")


async def in_time(answer: Awaitable[Answer], deadline: float) -> Answer:
    """`deadline` is a second of `time.monotonic`. What is not waited for any more is cancelled,
    so that its work is dropped. Raises DeadlineExceeded.
    """
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await answer
    except TimeoutError:
        raise DeadlineExceeded("the time was over before the encoder had an answer") from None
