"""From the attributes of images, one after the other, to columns of an Arrow table."""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from indexer.attributes import Attributes, AttributeValue, Kind, iso, kind_of
from indexer.columns.column import FieldKind

Metadata = dict[bytes, bytes]
KIND, OTHER_KIND = b"kind", b"other_kind"
"""Metadata of a field: its FieldKind; how many of its values were of another and are left out."""

_CHUNK = 65_536
"""Values of a field that are objects of Python at a time."""
_GREATEST = 2**63


def collect(
    rows: Iterable[Attributes], kinds: Mapping[str, FieldKind] | None = None
) -> pa.RecordBatch:
    """A row for each image, in their order; a column for each field, by name.

    A field is of the kind that `kinds` says, failing that of the first image that has it; values of
    another kind are left out and counted. Texts that are all dates are dates. Rows may be millions:
    what is held of them is 16 bytes for each value, and the distinct texts.
    """
    fields: dict[str, _Field] = {}
    count = 0
    for attributes in rows:
        for name, value in attributes.items():
            if name not in fields:
                fields[name] = _Field((kinds or {}).get(name) or kind_of(value))
            fields[name].add(count, value)
        count += 1
    return _batch({name: fields[name].column(count) for name in sorted(fields)})


def rows_of(batch: pa.RecordBatch, start: int, count: int) -> list[Attributes]:
    """The attributes of so many rows from there on, as `collect` kept them."""
    if not batch.num_columns:  # which knows not of how many rows it has none
        return [{} for _ in range(count)]
    rows = batch.slice(start, count).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def merged(*tables: tuple[pa.RecordBatch, NDArray[np.int64]]) -> pa.RecordBatch:
    """Tables as one, each with the places of its rows in the whole, −1 for those that are dropped.
    Fields that are in several are stored alike in all; those that no row has are left out.
    """
    count = sum(int(np.count_nonzero(places >= 0)) for _, places in tables)
    fields = {}
    for name in sorted({name for table, _ in tables for name in table.schema.names}):
        parts = [
            _Part(table.column(name), places, table.schema.field(name).metadata)
            for table, places in tables
            if name in table.schema.names
        ]
        rows = np.concatenate([part.rows for part in parts])
        if len(rows):
            kind = max(part.kind for part in parts)  # of "date" and "text" the latter
            column = _column(_stored_as(kind), [part.packed for part in parts], rows, count)
            fields[name] = column, _metadata(kind, sum(part.other_kind for part in parts))
    return _batch(fields)


def _batch(fields: Mapping[str, tuple[pa.Array, Metadata]]) -> pa.RecordBatch:
    schema = [
        pa.field(name, column.type, metadata=metadata)
        for name, (column, metadata) in fields.items()
    ]
    return pa.record_batch([column for column, _ in fields.values()], schema=pa.schema(schema))


def _metadata(kind: FieldKind, other_kind: int) -> Metadata:
    return {KIND: kind.encode(), OTHER_KIND: str(other_kind).encode()}


class _Field:
    """The values of the rows that have one, packed a chunk at a time."""

    def __init__(self, kind: FieldKind) -> None:
        self._kind = _stored_as(kind)
        self._rows = array("q")
        self._values: list[Any] = []
        self._chunks: list[Any] = []
        self._other_kind = 0

    def add(self, row: int, value: AttributeValue) -> None:
        if kind_of(value) != self._kind:
            self._other_kind += 1
            return
        self._rows.append(row)
        self._values.append(value)
        if len(self._values) == _CHUNK:
            self._pack()

    def column(self, count: int) -> tuple[pa.Array, Metadata]:
        """Shape (count,)."""
        self._pack()
        column = _column(self._kind, self._chunks, np.array(self._rows, np.int64), count)
        are_dates = self._kind == "text" and _are_dates(column.dictionary)
        return column, _metadata("date" if are_dates else self._kind, self._other_kind)

    def _pack(self) -> None:
        match self._kind:
            case "text":
                chunk = pa.array(self._values, pa.large_string()).dictionary_encode()
            case "number":
                chunk = _numbers(self._values)
            case "bool":
                chunk = np.array(self._values, bool)
            case "list":
                lists = pa.array(self._values, pa.list_(pa.large_string()))
                chunk = pa.ListArray.from_arrays(lists.offsets, lists.values.dictionary_encode())
        self._chunks.append(chunk)
        self._values.clear()


@dataclass(frozen=True)
class _Part:
    """A column that is merged with others."""

    column: pa.Array
    places: NDArray[np.int64]
    metadata: Metadata

    @property
    def kind(self) -> FieldKind:
        return cast("FieldKind", self.metadata[KIND].decode())

    @property
    def other_kind(self) -> int:
        return int(self.metadata[OTHER_KIND])

    @property
    def rows(self) -> NDArray[np.int64]:
        """Of the whole, those that get a value from here."""
        return self.places[self._is_held]

    @property
    def packed(self) -> Any:
        """Their values, as a field packs them."""
        values = self.column.filter(pa.array(self._is_held))
        match self.kind:
            case "text" | "date":
                return _widened(values)
            case "list":
                return pa.ListArray.from_arrays(values.offsets, _widened(values.values))
            case _:
                return values.to_numpy(zero_copy_only=False)

    @cached_property
    def _is_held(self) -> NDArray[np.bool_]:
        has_value = self.column.is_valid().to_numpy(zero_copy_only=False)
        is_held: NDArray[np.bool_] = has_value & (self.places >= 0)
        return is_held


def _widened(encoded: pa.Array) -> pa.Array:
    """With codes of the width that Arrow itself chooses."""
    codes = encoded.indices.cast(pa.int32())
    return pa.DictionaryArray.from_arrays(codes, encoded.dictionary)


def _stored_as(kind: FieldKind) -> Kind:
    return "text" if kind == "date" else kind


def _column(kind: Kind, chunks: list[Any], rows: NDArray[np.int64], count: int) -> pa.Array:
    """Shape (count,), with the values of the chunks in these rows."""
    match kind:
        case "text":
            return _texts(chunks, rows, count)
        case "number" | "bool":
            return _scattered(np.concatenate(chunks), rows, count)
        case "list":
            return _lists(chunks, rows, count)


def _are_dates(words: pa.Array) -> bool:
    return len(words) > 0 and all(iso(word.as_py()) == word.as_py() for word in words)


def _texts(chunks: list[pa.Array], rows: NDArray[np.int64], count: int) -> pa.Array:
    """Codes in the order of their texts; under what is missing lies −1."""
    ranked, words = _ranked(chunks)
    codes = np.full(count, -1, ranked.dtype)
    codes[rows] = ranked
    return _encoded(pa.array(codes, mask=codes < 0), words)


def _lists(chunks: list[pa.Array], rows: NDArray[np.int64], count: int) -> pa.Array:
    ranked, words = _ranked([chunk.flatten() for chunk in chunks])
    offsets, is_missing = np.zeros(count + 1, np.int32), np.ones(count, bool)
    lengths = np.concatenate([np.diff(chunk.offsets) for chunk in chunks])
    offsets[rows + 1] = lengths
    ranked = ranked[np.argsort(np.repeat(rows, lengths), kind="stable")]
    is_missing[rows] = False
    return pa.ListArray.from_arrays(
        pa.array(np.cumsum(offsets, dtype=np.int32)),
        _encoded(pa.array(ranked), words),
        mask=pa.array(is_missing),
    )


def _ranked(chunks: list[pa.Array]) -> tuple[NDArray[Any], pa.Array]:
    """Of encoded texts: the place of each among the distinct ones, ascending, and these."""
    encoded = pa.chunked_array(chunks).unify_dictionaries().combine_chunks()
    order = pc.array_sort_indices(encoded.dictionary)
    ranks = np.empty(len(order), np.min_scalar_type(-max(1, len(order))))
    ranks[order] = np.arange(len(order))
    return ranks[encoded.indices], encoded.dictionary.take(order)


def _encoded(codes: pa.Array, words: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(codes, words, safe=False)


def _numbers(values: list[int | float]) -> NDArray[np.int64] | NDArray[np.float64]:
    """Whole, where all are and fit into 64 bits."""
    if all(value == int(value) and abs(value) < _GREATEST for value in values):
        return np.array([int(value) for value in values], np.int64)
    return np.array(values, np.float64)


def _scattered(values: NDArray[Any], rows: NDArray[np.int64], count: int) -> pa.Array:
    scattered, is_missing = np.zeros(count, values.dtype), np.ones(count, bool)
    scattered[rows], is_missing[rows] = values, False
    return pa.array(scattered, mask=is_missing)
