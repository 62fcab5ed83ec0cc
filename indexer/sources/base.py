"""What every source of pictures agrees on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from indexer.errors import RejectReason


@dataclass(frozen=True, slots=True)
class SourceItem:
    """A picture that a source offers. `key` names it within the source, the same from scan to
    scan; `uri` opens it. `size` in bytes and `mtime_ns`, nanoseconds since 1970, say whether it
    may have changed.
    """

    key: str
    uri: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class SourceReject:
    """An entry that cannot be offered. A key that ends in `/` stands for everything below it:
    what an earlier scan found there is unknown now, not deleted.
    """

    key: str
    reason: RejectReason
    detail: str


SourceEntry = SourceItem | SourceReject


class ImageSource(Protocol):
    """Iterating scans the source anew, lazily, in the order of keys; every key comes once, as
    an item or as a reject. Raises SourceError where the source as a whole cannot be read.
    """

    @property
    def uri(self) -> str: ...

    def __iter__(self) -> Iterator[SourceEntry]: ...

    def read(self, item: SourceItem) -> bytes:
        """The whole file. Safe to call from several threads.

        Raises Rejected: unreadable, not_a_file, outside_source, file_too_large, and,
        from the first bytes alone, empty_file, not_an_image, unsupported_format.
        """
        ...
