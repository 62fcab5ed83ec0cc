"""How much may be in memory at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class RoomClosed(Exception):
    """Nothing more is let in: the run is over."""


class Room:
    """Bytes, and items where `max_items` says so. Safe to use from several threads.

    Whoever finds it empty gets in, however large: what exceeds the limit goes through alone.
    """

    def __init__(self, max_bytes: int, max_items: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._max_items = max_items
        self._bytes = 0
        self._items = 0
        self._is_open = True
        self._changed = threading.Condition()

    def enter(self, size: int) -> None:
        """Wait until one item of `size` bytes fits. Raises RoomClosed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_open or self._fits(size))
            if not self._is_open:
                raise RoomClosed
            self._items += 1
            self._bytes += size

    def resize(self, old: int, new: int) -> None:
        """An item inside turned out to be of another size; it is not kept waiting for that."""
        with self._changed:
            self._bytes += new - old
            self._changed.notify_all()

    def leave(self, size: int, items: int = 1) -> None:
        """`size`: of all those items together."""
        with self._changed:
            self._items -= items
            self._bytes -= size
            self._changed.notify_all()

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        self.enter(size)
        try:
            yield
        finally:
            self.leave(size)

    def close(self) -> None:
        """Turn away those who wait, and all who come."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        if self._items == 0:
            return True
        has_place = self._max_items is None or self._items < self._max_items
        return has_place and self._bytes + size <= self._max_bytes
