"""What all files of rows share."""

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import AnyStr, BinaryIO, Generic, Protocol, cast

from indexer.attributes import field_name
from indexer.errors import Rejected, SourceError
from indexer.sources.files import UNREADABLE, open_file, unpacked

IMAGE = "image"
ID = "id"
MAX_LINE = 1024 * 1024
"""Bytes of a line, characters of a CSV's row, bytes of a Parquet's row."""


@dataclass(frozen=True, slots=True)
class Row:
    """`number` counts from 1, the header of a CSV included; cells that are empty are left out."""

    number: int
    cells: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of which not even the key is known."""

    number: int
    detail: str


class Table(Protocol):
    """Iterating reads the file anew. Raises SourceError where the file as a whole is no table."""

    def columns(self) -> list[str] | None:
        """None where each row has columns of its own."""
        ...

    def count(self) -> int | None:
        """Rows, about; None where they would have to be unpacked to be counted."""
        ...

    def __iter__(self) -> Iterator[Row | BadRow]: ...


class LineTooLong(Exception):
    """A line of more than MAX_LINE; the next line can be read."""

    def __str__(self) -> str:
        return f"the line is longer than {MAX_LINE}"


class Lines(Generic[AnyStr]):
    """The lines of a file, with their ends. `next` raises LineTooLong and goes on after it."""

    def __init__(self, file: io.TextIOWrapper | BinaryIO) -> None:
        self._file = file

    def __iter__(self) -> "Lines[AnyStr]":
        return self

    def __next__(self) -> AnyStr:
        line = self._piece()
        if not line:
            raise StopIteration
        if _is_whole(line):
            return line
        while (piece := self._piece()) and not _is_whole(piece):
            pass
        raise LineTooLong

    def _piece(self) -> AnyStr:
        return cast("AnyStr", self._file.readline(MAX_LINE))


@contextmanager
def opened(path: Path, *, compressed: bool) -> Iterator[BinaryIO]:
    """Raises SourceError where it cannot be opened; UNREADABLE while it is read."""
    try:
        file = open_file(path)
    except (OSError, Rejected) as error:
        detail = error.detail if isinstance(error, Rejected) else error.strerror
        raise SourceError(f"cannot read {str(path)!r}: {detail}") from error
    with file:
        yield unpacked(file, compressed=compressed)


def numbered_lines(path: Path, *, compressed: bool) -> Iterator[tuple[int, str] | BadRow]:
    """The lines in UTF-8, counted from 1; those that are blank are passed over."""
    number = 0
    with opened(path, compressed=compressed) as file:
        lines = Lines[bytes](file)
        while True:
            number += 1
            try:
                line = next(lines).decode("utf-8-sig").strip()
            except StopIteration:
                return
            except (LineTooLong, UnicodeDecodeError) as error:
                yield BadRow(number, str(error))
            except UNREADABLE as error:
                yield BadRow(number, f"the rest cannot be read: {error}")
                return
            else:
                if line:
                    yield number, line


def line_count(path: Path, *, compressed: bool) -> int | None:
    """None for a compressed file: it would have to be unpacked. Raises SourceError."""
    if compressed:
        return None
    with opened(path, compressed=False) as file:
        try:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1024 * 1024), b""))
        except OSError as error:
            raise SourceError(f"cannot read {str(path)!r}: {error.strerror}") from error


def present(cells: Mapping[str, object]) -> dict[str, object]:
    """The cells that are not empty."""
    return {name: value for name, value in cells.items() if value is not None and value != ""}


def column_names(names: Iterable[str]) -> list[str]:
    """The names of columns as fields of attributes. Raises SourceError."""
    columns = [name.strip() for name in names]
    try:
        columns = [each if each in {ID, IMAGE, ""} else field_name(each) for each in columns]
    except Rejected as rejected:
        raise SourceError(f"a column cannot be an attribute: {rejected.detail}") from None
    named = [each for each in columns if each]
    if len(set(named)) < len(named):
        raise SourceError(f"two columns have one name: {', '.join(named)}")
    return columns


def _is_whole(line: str | bytes) -> bool:
    end = ("\n", "\r") if isinstance(line, str) else (b"\n",)
    return len(line) < MAX_LINE or line.endswith(end)  # type: ignore[arg-type] # of its kind
