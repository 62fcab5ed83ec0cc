"""A list of pictures, one a line: a URL, or a path. Blank lines and `#` lines are passed over."""

from collections.abc import Iterator
from pathlib import Path

from indexer.sources.tables.base import IMAGE, BadRow, Row, line_count, numbered_lines


class ListTable:
    def __init__(self, path: Path, *, compressed: bool) -> None:
        self._path = path
        self._compressed = compressed

    def columns(self) -> list[str]:
        return [IMAGE]

    def count(self) -> int | None:
        return line_count(self._path, compressed=self._compressed)

    def __iter__(self) -> Iterator[Row | BadRow]:
        for line in numbered_lines(self._path, compressed=self._compressed):
            if isinstance(line, BadRow):
                yield line
            elif not line[1].startswith("#"):
                yield Row(line[0], {IMAGE: line[1]})
