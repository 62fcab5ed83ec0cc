"""The members of a tar archive, one after another: nothing is extracted, nothing kept.

tarfile reads headers of any length and number into memory, goes backwards for a negative size,
and takes an archive that ends in the middle, or goes on after its end, for one that is complete.
Here it can do none of these.
"""

import tarfile
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

from indexer.sources.files import UNREADABLE

_MAX_HEADERS = 1024 * 1024
"""Bytes before a member's data."""
_MAX_PADDING = 1024 * 1024
_END = bytes(tarfile.BLOCKSIZE)


class ArchiveCut(Exception):
    """What follows cannot be read: the archive ends too early, or is damaged."""


class TarMembers:
    """Iterating yields each member; the data of the last one can be read meanwhile.

    Raises ArchiveCut, also from `data`.
    """

    def __init__(self, file: BinaryIO, *, seekable: bool) -> None:
        self._file = _Forwards(file, seekable=seekable)

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        try:
            yield from self._members()
            last = self._file.last
            # Read also because a gzip file tells at its very end whether it is whole.
            rest = self._file.take(_MAX_PADDING)
        except ArchiveCut:
            raise
        except Exception as error:  # damage surfaces as tarfile's errors and as many others
            raise ArchiveCut(f"{type(error).__name__}: {error}") from error
        if last != _END:
            raise ArchiveCut("the archive ends without its last block")
        if rest.strip(b"\0"):
            raise ArchiveCut("something follows the archive's end: another archive?")

    def data(self, member: tarfile.TarInfo, start: int, size: int) -> bytes:
        """`size` bytes of the last member, from `start` on; each byte can be read once."""
        self._file.seek(member.offset_data + start)
        data = self._file.take(size)
        if len(data) < size:
            raise ArchiveCut(f"{member.name!r} ends too early")
        return data

    def _members(self) -> Iterator[tarfile.TarInfo]:
        file = cast("IO[bytes]", self._file)
        with tarfile.TarFile(fileobj=file, encoding="utf-8", errors="surrogateescape") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined] # else it remembers every one
                for_all = archive.pax_headers.items()
                if sum(len(name) + len(value) for name, value in for_all) > _MAX_HEADERS:
                    raise ArchiveCut(f"headers of over {_MAX_HEADERS} bytes")
                yield member
                self._file.headers_left = _MAX_HEADERS


class _Forwards:
    """A file that is read in one direction; `last` are the bytes of headers that were read last,
    `headers_left` how many more may be read.
    """

    def __init__(self, file: BinaryIO, *, seekable: bool) -> None:
        self._file = file
        self._seekable = seekable
        self._at = 0
        self.last = b""
        self.headers_left = _MAX_HEADERS

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> int:
        if position < self._at:
            raise ArchiveCut("a header leads backwards")
        if self._seekable:
            self._at = self._file.seek(position)
        while self._at < position and self.take(min(position - self._at, _MAX_HEADERS)):
            pass
        return self._at

    def read(self, size: int) -> bytes:
        self.headers_left -= size
        if self.headers_left < 0:
            raise ArchiveCut(f"headers of over {_MAX_HEADERS} bytes")
        self.last = self.take(size)
        return self.last

    def take(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except UNREADABLE as error:
            raise ArchiveCut(str(error)) from error
        self._at += len(data)
        return data
