"""CSV and TSV, as programs and as Excel write them.

The file is read three times: for its encoding, for the types of its columns, for its rows. It is
UTF-8 if it can be, else CP949, which Excel in Korean writes; UTF-16 is known by its byte order
mark. The delimiter is that of `,`, `;` and tab which finds most columns in the header.
"""

import csv
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.errors import SourceError
from indexer.sources.files import UNREADABLE
from indexer.sources.tables.base import (
    ID,
    IMAGE,
    MAX_LINE,
    BadRow,
    Lines,
    LineTooLong,
    Row,
    column_names,
    opened,
)
from indexer.sources.tables.column_types import PARSERS, ColumnType, Type
from indexer.sources.tables.encodings import encoding_of

logger = logging.getLogger(__name__)

_DELIMITERS = ",;\t"
_HEADER = 64 * 1024
"""Characters of the header that are looked at for the delimiter."""


@dataclass(frozen=True, slots=True)
class _Profile:
    encoding: str
    delimiter: str
    names: list[str]
    types: list[Type]
    rows: int


class CsvTable:
    def __init__(self, path: Path, *, compressed: bool) -> None:
        self._path = path
        self._compressed = compressed
        self._known: _Profile | None = None

    def columns(self) -> list[str]:
        return self._profile().names

    def count(self) -> int:
        return self._profile().rows

    def __iter__(self) -> Iterator[Row | BadRow]:
        profile = self._profile()
        number = 0
        with self._text(profile.encoding) as file:
            try:
                records = _records(file, profile.delimiter)
                next(records, None)
                for number, record in records:
                    yield _row(number, record, profile)
            except (*UNREADABLE, UnicodeError) as error:
                yield BadRow(number + 1, f"the rest cannot be read: {error}")

    def _profile(self) -> _Profile:
        if self._known is None:
            self._known = self._read_profile()
        return self._known

    def _read_profile(self) -> _Profile:
        name = repr(str(self._path))
        try:
            with opened(self._path, compressed=self._compressed) as file:
                encoding = encoding_of(file)
            profile = self._profile_in(encoding)
        except UNREADABLE as error:
            raise SourceError(f"cannot read {name}: {error}") from error
        except UnicodeDecodeError as error:
            raise SourceError(f"{name} is neither UTF-8 nor {error.encoding.upper()}") from None
        except UnicodeError as error:
            raise SourceError(f"cannot read {name}: {error}") from None
        if encoding != "utf-8-sig":
            logger.warning("%s is not UTF-8: read as %s", self._path, encoding.upper())
        return profile

    def _profile_in(self, encoding: str) -> _Profile:
        with self._text(encoding) as file:
            delimiter = _delimiter(file)
            records = _records(file, delimiter)
            names = self._header(next(records, (1, "the file is empty"))[1])
            columns = [ColumnType() for _ in names]
            rows = 0
            for _, record in records:
                rows += 1
                if len(record) == len(names) and not isinstance(record, str):
                    _see(record, names, columns)
            return _Profile(encoding, delimiter, names, [each.type for each in columns], rows)

    def _header(self, record: list[str] | str) -> list[str]:
        if isinstance(record, str):
            raise SourceError(f"{str(self._path)!r} has no header: {record}")
        return column_names(record)

    @contextmanager
    def _text(self, encoding: str) -> Iterator[io.TextIOWrapper]:
        with (
            opened(self._path, compressed=self._compressed) as file,
            io.TextIOWrapper(file, encoding, newline="") as text,
        ):
            yield text


def _delimiter(file: io.TextIOWrapper) -> str:
    header = next((line for line in iter(lambda: file.readline(_HEADER), "") if line.strip()), "")
    file.seek(0)
    return max(_DELIMITERS, key=lambda each: len(next(csv.reader([header], delimiter=each), [])))


class _RecordLines:
    """Lines, of which a record may span several, but not more than MAX_LINE in all."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._lines = Lines[str](file)
        self._length = 0

    def begin(self) -> None:
        self._length = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._length += len(line)
        if self._length > MAX_LINE:
            raise LineTooLong
        return line


def _records(file: io.TextIOWrapper, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Row numbers and rows, or what is wrong with one; blank lines are passed over."""
    lines = _RecordLines(file)
    # Strict: a quote that is never closed must not make one cell of all rows that follow.
    reader: Any = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        lines.begin()
        try:
            record: list[str] = next(reader)
        except StopIteration:
            return
        except (csv.Error, LineTooLong) as error:
            yield number, str(error)
        else:
            if record:
                yield number, [cell.strip() for cell in record]


def _see(record: list[str], names: list[str], columns: list[ColumnType]) -> None:
    for cell, name, column in zip(record, names, columns, strict=True):
        if not cell:
            continue
        if not name:
            raise SourceError("a column with cells has no name in the header")
        column.see(cell)


def _row(number: int, record: list[str] | str, profile: _Profile) -> Row | BadRow:
    if isinstance(record, str):
        return BadRow(number, record)
    if len(record) != len(profile.names):
        return BadRow(number, f"{len(record)} cells; the header has {len(profile.names)}")
    try:
        cells = {
            name: cell if name in {ID, IMAGE} else PARSERS[type_](cell)
            for name, type_, cell in zip(profile.names, profile.types, record, strict=True)
            if cell
        }
    except (ValueError, KeyError):
        return BadRow(number, "the file has changed while it was read")
    return Row(number, cells)
