"""Lines of a body as it arrives."""

from collections.abc import AsyncGenerator, AsyncIterable


async def lines(chunks: AsyncIterable[bytes], max_bytes: int) -> AsyncGenerator[bytes | None]:
    """Without their ends; None for one that is longer than `max_bytes`, whose rest is not kept.

    The last one needs no end.
    """
    line = _Line(max_bytes)
    async for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line.add(part)
            yield line.taken()
        line.add(rest)
    if not line.is_empty:
        yield line.taken()


class _Line:
    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = bytearray()
        self._is_too_long = False

    @property
    def is_empty(self) -> bool:
        return not self._bytes and not self._is_too_long

    def add(self, part: bytes) -> None:
        if self._is_too_long or len(self._bytes) + len(part) > self._max_bytes:
            self._is_too_long = True
            self._bytes = bytearray()
        else:
            self._bytes += part

    def taken(self) -> bytes | None:
        """What is there so far; from now on the next line."""
        line = None if self._is_too_long else bytes(self._bytes)
        self._bytes, self._is_too_long = bytearray(), False
        return line
