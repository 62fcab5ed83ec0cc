"""The most used of all texts that begin with given bytes, or one of whose words does."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_WIDTH = 32
"""Bytes by which beginnings are sorted: ten syllables and more. What is typed beyond is compared.
"""
_FEW = 1_024
"""Beginnings that are put in the order of use for a query. Of more, the first ones are found sooner
by going through all in that order.
"""
_BLOCK = 4_096


class PrefixIndex:
    """Texts are known by their rank, the most used being 0. Immutable.

    Made by NumPy, which lets other threads run meanwhile: sorting 200,000 texts as Python objects
    would hold up every request of the process for a tenth of a second.
    """

    def __init__(self, texts: Sequence[bytes]) -> None:
        """`texts`: in the order of use; words with a space between, or nothing where a text is not
        to be found. Spaces are not compared.
        """
        joined = np.frombuffer(b"\0".join(texts) + bytes(1 + _WIDTH), np.uint8)
        starts, owners = _word_starts(joined)
        self._bytes: bytes = joined[joined != ord(" ")].tobytes()
        order = _sorted(self._bytes, starts)
        self._starts = starts[order]
        """Where words begin, sorted by what follows."""
        self._owners = owners[order]
        """The ranks of their texts."""
        self._by_rank = np.argsort(self._owners, kind="stable").astype(np.int32)
        """Places in `_starts`, in the order of use."""

    def ranks(self, prefix: bytes) -> Iterator[int]:
        """The most used first, each once."""
        prefix = prefix.replace(b" ", b"")
        first, last = self._range(prefix[:_WIDTH])
        if len(prefix) <= _WIDTH:
            return self._in_order(first, last)
        near = zip(
            self._starts[first:last].tolist(), self._owners[first:last].tolist(), strict=True
        )
        return iter(sorted({rank for start, rank in near if self._bytes.startswith(prefix, start)}))

    def _range(self, prefix: bytes) -> tuple[int, int]:
        size = len(prefix)

        def beginning(start: int) -> bytes:
            return self._bytes[start : start + size]

        first = bisect_left(self._starts, prefix, key=beginning)
        return first, bisect_right(self._starts, prefix, lo=first, key=beginning)

    def _in_order(self, first: int, last: int) -> Iterator[int]:
        before = -1
        for owners in self._owners_in_order(first, last):
            for rank in owners.tolist():
                if rank != before:  # the same by another of its words
                    yield rank
                before = rank

    def _owners_in_order(self, first: int, last: int) -> Iterator[NDArray[np.int32]]:
        if last - first <= _FEW:
            yield np.sort(self._owners[first:last])
            return
        for start in range(0, len(self._by_rank), _BLOCK):
            places = self._by_rank[start : start + _BLOCK]
            yield self._owners[places[(places >= first) & (places < last)]]


def _word_starts(joined: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Where words begin once the spaces are gone, and the rank of the text that each is of."""
    ends, spaces = joined == 0, joined == ord(" ")
    within = ~(ends | spaces)
    begins = within & ~np.concatenate(([False], within[:-1]))
    place = np.cumsum(~spaces, dtype=np.int32)[begins] - 1
    return place.astype(np.int32), np.cumsum(ends, dtype=np.int32)[begins]


def _sorted(text: bytes, starts: NDArray[np.int32]) -> NDArray[np.intp]:
    """The order of what follows the starts, to the end of its text."""
    windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(text, np.uint8), _WIDTH)
    following = windows[starts]
    following[np.logical_or.accumulate(following == 0, axis=1)] = 0
    return np.argsort(following.view(f"S{_WIDTH}").ravel(), kind="stable")
