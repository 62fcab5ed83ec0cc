"""How much of what clients send may be in memory at once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.errors import AtCapacity


@dataclass(eq=False)
class Admitted:
    size: int
    """In bytes."""


class Admission:
    """Bytes, for code on one event loop. Who comes when they are taken waits for his turn, his
    request unread. Whoever finds it empty gets in, however large.
    """

    def __init__(self, max_bytes: int, patience: float) -> None:
        """`patience`: seconds after which `holding` turns away who waits."""
        self._max_bytes = max_bytes
        self._patience = patience
        self._bytes = 0
        self._waiting: deque[tuple[Admitted, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def holding(self, size: int) -> AsyncIterator[Admitted]:
        """Raises AtCapacity."""
        try:
            async with asyncio.timeout(self._patience):
                admitted = await self.enter(size)
        except TimeoutError:
            raise AtCapacity("as many pictures are under way as memory is set aside for") from None
        try:
            yield admitted
        finally:
            self.leave(admitted)

    async def enter(self, size: int) -> Admitted:
        """Waits as long as it takes. What was admitted must leave."""
        coming = Admitted(size), asyncio.get_running_loop().create_future()
        admitted, turn = coming
        self._waiting.append(coming)
        self._let_in()
        try:
            await turn
        except BaseException:
            if coming in self._waiting:
                self._waiting.remove(coming)
                self._let_in()  # who stood behind may be smaller
            else:
                self.leave(admitted)
            raise
        return admitted

    def resize(self, admitted: Admitted, size: int) -> None:
        """It turned out to be of another size; it is not kept waiting for that."""
        self._bytes += size - admitted.size
        admitted.size = size
        self._let_in()

    def leave(self, admitted: Admitted) -> None:
        self.resize(admitted, 0)

    def _let_in(self) -> None:
        while self._waiting:
            admitted, turn = self._waiting[0]
            if self._bytes and self._bytes + admitted.size > self._max_bytes:
                return
            self._waiting.popleft()
            self._bytes += admitted.size
            if not turn.done():
                turn.set_result(None)
