"""How slowly a body may come."""

import asyncio

from starlette.types import Message, Receive

from app.errors import BodyTooSlow


class SlowBody:
    """A body that was not whole when its request began, as the application reads it.

    Time that the application takes between two parts is not the client's.
    """

    def __init__(self, receive: Receive, patience: float, min_pace: int) -> None:
        """`patience`: seconds of silence, and of grace before the pace is judged; `min_pace`:
        bytes a second.
        """
        self._receive = receive
        self._patience = patience
        self._min_pace = min_pace
        self._bytes = 0
        self._waited = 0.0
        self._is_whole = False

    async def receive(self) -> Message:
        """Raises BodyTooSlow."""
        if self._is_whole:
            return await self._receive()  # what comes now is the end of the connection
        message = await self._next()
        if message["type"] == "http.disconnect":
            # Whoever works with half a body is called off like whoever waits for the rest.
            raise asyncio.CancelledError("the client is gone")
        self._bytes += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        is_late = self._waited > self._patience and not self._is_whole
        if is_late and self._bytes < self._waited * self._min_pace:
            raise self._refusal()
        return message

    async def _next(self) -> Message:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._patience):
                return await self._receive()
        except TimeoutError:
            raise self._refusal() from None
        finally:
            self._waited += loop.time() - started

    def _refusal(self) -> BodyTooSlow:
        return BodyTooSlow(
            f"the body came at less than {self._min_pace} bytes a second, or not at all for "
            f"{self._patience:g} seconds"
        )
