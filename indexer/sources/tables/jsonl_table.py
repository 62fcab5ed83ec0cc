"""JSON Lines: an object a line, in UTF-8."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Never

from indexer.sources.tables.base import BadRow, Row, line_count, numbered_lines, present


class JsonlTable:
    def __init__(self, path: Path, *, compressed: bool) -> None:
        self._path = path
        self._compressed = compressed

    def columns(self) -> None:
        return None

    def count(self) -> int | None:
        return line_count(self._path, compressed=self._compressed)

    def __iter__(self) -> Iterator[Row | BadRow]:
        for line in numbered_lines(self._path, compressed=self._compressed):
            yield line if isinstance(line, BadRow) else _row(*line)


def _row(number: int, line: str) -> Row | BadRow:
    try:
        cells = json_object(line)
    except ValueError as error:
        return BadRow(number, str(error))
    return Row(number, present(cells))


def json_object(text: str | bytes) -> dict[str, object]:
    """Raises ValueError: not JSON, not an object, numbers that JSON does not know, a name that
    comes twice.
    """
    try:
        found = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once_each)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - of the data, not the caller
    return found


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = Counter(name for name, _ in pairs)
        raise ValueError(f"{names.most_common(1)[0][0]!r} comes twice")
    return found


def _refuse(name: str) -> Never:
    raise ValueError(f"{name} is no number of JSON")
