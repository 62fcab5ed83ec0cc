"""Columns in Arrow's form: as a file of a version, memory-mapped, or in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel

from indexer.columns.collect import KIND, OTHER_KIND
from indexer.columns.column import (
    BoolColumn,
    Column,
    FieldKind,
    ListColumn,
    Mask,
    NumberColumn,
    TextColumn,
    Words,
)
from indexer.columns.columns import Columns


class FieldSummary(BaseModel):
    """A field of a version."""

    kind: FieldKind
    other_kind: int
    """Values that were of another kind: the images count as having none."""


def summaries(batch: pa.RecordBatch) -> dict[str, FieldSummary]:
    return {
        field.name: FieldSummary(
            kind=field.metadata[KIND].decode(), other_kind=int(field.metadata[OTHER_KIND])
        )
        for field in batch.schema
    }


def write_columns(path: Path, batch: pa.RecordBatch) -> None:
    """An Arrow IPC file of one batch. Raises OSError."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def map_columns(path: Path, count: int) -> Columns:
    """Of (count,) images, read where they lie. Raises OSError, and ValueError where it is no such
    file.
    """
    with pa.memory_map(str(path)) as mapped:
        batch = pa.ipc.open_file(mapped).get_batch(0)
    if batch.num_columns and batch.num_rows != count:
        raise ValueError(f"{path.name} holds {batch.num_rows} images")
    return columns_of(batch, count)


def columns_of(batch: pa.RecordBatch, count: int) -> Columns:
    """Numbers and codes are not copied; bits become bytes."""
    return Columns(
        count,
        {
            field.name: _column(batch.column(number), field.metadata[KIND].decode())
            for number, field in enumerate(batch.schema)
        },
    )


def _column(values: pa.Array, kind: Any) -> Column:
    match kind:
        case "text" | "date":
            return TextColumn(kind, _numbers(values.indices), Words(values.dictionary))
        case "number":
            return NumberColumn(_numbers(values), _known(values))
        case "bool":
            return BoolColumn(_bits(values.buffers()[1], len(values)), _known(values))
        case "list":
            encoded = values.values
            codes, words = _numbers(encoded.indices), Words(encoded.dictionary)
            return ListColumn(_numbers(values.offsets), codes, words, _known(values))
    raise ValueError(f"a column of unknown kind {kind!r}")


def _numbers(values: pa.Array) -> NDArray[Any]:
    """With what lies under values that are missing."""
    if not len(values):
        return np.empty(0, values.type.to_pandas_dtype())
    dtype = np.dtype(values.type.to_pandas_dtype())
    return np.frombuffer(values.buffers()[1], dtype, len(values), values.offset * dtype.itemsize)


def _known(values: pa.Array) -> Mask | None:
    return _bits(values.buffers()[0], len(values)) if values.null_count else None


def _bits(buffer: Any, count: int) -> Mask:
    if not count:
        return np.empty(0, bool)
    packed = np.frombuffer(buffer, np.uint8)
    return np.unpackbits(packed, count=count, bitorder="little").view(bool)
