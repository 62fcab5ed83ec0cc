"""Parquet, a batch of rows at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from indexer.errors import SourceError
from indexer.sources.tables.base import MAX_LINE, BadRow, Row, column_names, opened, present

_BATCH_ROWS = 100
"""A dictionary of one long value makes a batch of any size from a file of 20 KB."""
_READ_BYTES = 1024 * 1024
"""At once. Else columns of a row group are read whole: 224 MB of memory for a file of 218 MB."""

_DAMAGE = (pa.ArrowException, OSError, ValueError)
"""What a file raises that is no Parquet: names, too, may be no text."""


class ParquetTable:
    def __init__(self, path: Path) -> None:
        self._path = path

    def columns(self) -> list[str]:
        with self._opened() as (_, names):
            return column_names(names)

    def count(self) -> int:
        with self._opened() as (file, _):
            return int(file.metadata.num_rows)

    def __iter__(self) -> Iterator[Row | BadRow]:
        number = 1
        with self._opened() as (file, written):
            names = column_names(written)
            _require_usable(file.schema_arrow)
            batches = file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False)
            while True:
                try:
                    batch = next(batches)
                except StopIteration:
                    return
                except _DAMAGE as error:
                    yield BadRow(number, f"the rest cannot be read: {error}")
                    return
                yield from _rows(batch, names, number)
                number += batch.num_rows

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, list[str]]]:
        """The file, and the names of its columns as they are written."""
        with opened(self._path, compressed=False) as file:
            try:
                found = pq.ParquetFile(file, buffer_size=_READ_BYTES, pre_buffer=False)
                names = found.schema_arrow.names
            except _DAMAGE as error:
                raise SourceError(f"cannot read {str(self._path)!r} as Parquet: {error}") from error
            yield found, names


def _require_usable(schema: Any) -> None:
    """Raises SourceError for columns that no row could be taken from."""
    for field in schema:
        if not _is_usable(field.type):
            raise SourceError(
                f"column {field.name!r} is of type {field.type}, which is no attribute: leave it "
                "out, or turn it into text"
            )


def _is_usable(kind: Any) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        return _is_usable(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_text(kind.value_type)
    tests = (
        _is_text,
        types.is_integer,
        types.is_floating,
        types.is_decimal,
        types.is_boolean,
        types.is_date,
        types.is_timestamp,
        types.is_null,
    )
    return any(test(kind) for test in tests)


def _is_text(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _rows(batch: Any, names: list[str], first: int) -> Iterator[Row | BadRow]:
    """Row by row where the batch as a whole is large, or has a value that Python does not know."""
    try:
        found = _in_python(batch)
    except (*_DAMAGE, OverflowError) as error:
        if batch.num_rows == 1:
            yield BadRow(first, str(error))
            return
        for at in range(batch.num_rows):
            yield from _rows(batch.slice(at, 1), names, first + at)
        return
    for number, values in enumerate(found, first):
        yield Row(number, present(dict(zip(names, values, strict=True))))


def _in_python(batch: Any) -> list[list[object]]:
    """Raises ValueError for more than MAX_LINE, or what Python does not know."""
    if batch.num_rows > 1 and batch.nbytes > MAX_LINE:
        raise ValueError("too large to be looked at together")
    columns = [_plain(column) for column in batch.columns]
    if sum(column.nbytes for column in columns) > MAX_LINE:
        raise ValueError(f"the row is larger than {MAX_LINE} bytes")
    values = [column.to_pylist() for column in columns]
    return [list(row) for row in zip(*values, strict=True)]


def _plain(column: Any) -> Any:
    """Without a dictionary, which may be larger than its rows; in microseconds: nanoseconds are
    more than Python's datetime holds, or an attribute needs.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column
