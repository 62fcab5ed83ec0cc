"""A transport that is closed where the protocol says how."""

import asyncio
from collections.abc import Callable


class ClosedByProtocol(asyncio.Transport):
    """What uvicorn writes goes straight on; what it closes is closed by `close`."""

    def __init__(
        self,
        inner: asyncio.Transport,
        close: Callable[[], None],
        is_closing: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._inner = inner
        self._close = close
        self._is_closing = is_closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._inner.write(data)

    def close(self) -> None:
        self._close()

    def is_closing(self) -> bool:
        return self._is_closing()
