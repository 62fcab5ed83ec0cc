"""Files wherever they lie: on this machine, in an object store, on the web."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from indexer.errors import Rejected, RejectReason, SourceError
from indexer.sources import object_store
from indexer.sources.files import open_file
from indexer.sources.locations import HTTP, local_path, scheme_of
from indexer.sources.options import SourceOptions
from indexer.sources.web.answers import Answer
from indexer.sources.web.fetch import fetcher_of

_MAX_COPY = 16 * 1024**3


@dataclass(frozen=True, slots=True)
class Opened:
    """A file to be read from its start; `stamp` as SourceItem has it."""

    file: BinaryIO
    stamp: str | None


class Storage:
    """Safe to use from several threads."""

    def __init__(self, options: SourceOptions) -> None:
        self._max_bytes = options.max_bytes
        self._web = fetcher_of(options.fetch)

    def picture(self, uri: str) -> bytes:
        """The whole file, of a URL or an object. Raises Rejected as ImageSource.read does."""
        if scheme_of(uri) in HTTP:
            return self._web.picture(uri, self._max_bytes)
        return object_store.picture(uri, self._max_bytes)

    def part(self, uri: str, start: int, size: int) -> bytes:
        """`size` bytes from `start` on, fewer where the file ends. Raises Rejected."""
        scheme = scheme_of(uri)
        if scheme in HTTP:
            return self._web.part(uri, start, size)
        if scheme != "file":
            return object_store.part(uri, start, size)
        with self.opened(uri) as opened:
            opened.file.seek(start)
            return opened.file.read(size)

    @contextmanager
    def opened(self, uri: str) -> Iterator[Opened]:
        """Raises Rejected: unreadable, not_a_file, gone, fetch_failed, address_refused; of the web
        also while the file is read.
        """
        scheme = scheme_of(uri)
        if scheme == "file":
            with _local(local_path(uri)) as opened:
                yield opened
        elif scheme in HTTP:
            with self._web.open(uri) as answer, io.BufferedReader(_Body(answer)) as file:
                yield Opened(file, answer.stamp)
        else:
            with object_store.opened(uri) as (file, stamp):
                yield Opened(file, stamp)

    @contextmanager
    def local_copy(self, uri: str) -> Iterator[Path]:
        """The file itself where it is local; else a copy, for as long as the context is open.

        Raises SourceError.
        """
        if scheme_of(uri) == "file":
            yield local_path(uri)
            return
        with TemporaryDirectory(prefix="noongil-") as folder:
            copy = Path(folder) / "copy"
            try:
                with self.opened(uri) as opened, copy.open("wb") as file:
                    _copy(opened.file, file)
            except (Rejected, OSError) as error:
                raise SourceError(f"cannot read {uri!r}: {error}") from error
            yield copy


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    """Raises SourceError over _MAX_COPY."""
    while block := source.read(1024 * 1024):
        if target.tell() + len(block) > _MAX_COPY:
            raise SourceError(f"a catalogue may have {_MAX_COPY} bytes where it is not local")
        target.write(block)


@contextmanager
def _local(path: Path) -> Iterator[Opened]:
    try:
        with open_file(path) as file:
            status = os.fstat(file.fileno())
            yield Opened(file, f"{status.st_size}-{status.st_mtime_ns}")
    except OSError as error:
        detail = error.strerror or type(error).__name__
        raise Rejected(RejectReason.UNREADABLE, detail) from None


class _Body(io.RawIOBase):
    """An answer's body as a file."""

    def __init__(self, answer: Answer) -> None:
        self._chunks = answer.chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # what it is given
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = chunk
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
