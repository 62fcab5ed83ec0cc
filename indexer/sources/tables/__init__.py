"""Files of rows: CSV, JSON Lines, Parquet, lists. One file a format; `base` is what they share."""

from pathlib import Path

from indexer.sources.tables.base import Table
from indexer.sources.tables.csv_table import CsvTable
from indexer.sources.tables.jsonl_table import JsonlTable
from indexer.sources.tables.list_table import ListTable

_TEXTS: dict[str, type[CsvTable | JsonlTable | ListTable]] = {
    ".csv": CsvTable,
    ".tsv": CsvTable,
    ".jsonl": JsonlTable,
    ".ndjson": JsonlTable,
    ".txt": ListTable,
}
SUFFIXES = {".parquet", *_TEXTS, *(f"{suffix}.gz" for suffix in _TEXTS)}


def open_table(path: Path, suffix: str) -> Table:
    """The rows of the file at `path`; `suffix`, one of SUFFIXES, says how it is written.

    Raises SourceError.
    """
    if suffix == ".parquet":
        # Arrow takes 0.4 s to import, a fifth of a command's start.
        from indexer.sources.tables.parquet_table import ParquetTable  # noqa: PLC0415

        return ParquetTable(path)
    return _TEXTS[suffix.removesuffix(".gz")](path, compressed=suffix.endswith(".gz"))
