"""Types of CSV columns, from what their cells look like.

A column has one type. Text that only resembles a number keeps its letters: `00123`, `+82-2-312`,
`1E5`, and integers above 2^53, which would change as a double.
"""

import re
from collections.abc import Callable
from typing import Literal

Type = Literal["empty", "int", "float", "bool", "text"]

_INT = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_FLOAT = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+(?:[eE][+-]?\d{1,3})?|[eE][+-]\d{1,3})", re.ASCII)
_BOOLS = {"true": True, "false": False}
_EXACT = 2**53


class ColumnType:
    """Learns from one cell after another."""

    def __init__(self) -> None:
        self.type: Type = "empty"

    def see(self, cell: str) -> None:
        """A cell that is not empty."""
        if self.type == "text":
            return
        seen = _type_of(cell)
        if self.type in {"empty", seen}:
            self.type = seen
        elif {self.type, seen} == {"int", "float"}:
            self.type = "float"
        else:
            self.type = "text"


def _type_of(cell: str) -> Type:
    if _INT.fullmatch(cell):
        return "int" if len(cell) <= 17 and abs(int(cell)) <= _EXACT else "text"
    if _FLOAT.fullmatch(cell) and abs(float(cell)) < float("inf"):
        return "float"
    return "bool" if cell.lower() in _BOOLS else "text"


PARSERS: dict[Type, Callable[[str], object]] = {
    "empty": str,
    "int": int,
    "float": float,
    "bool": lambda cell: _BOOLS[cell.lower()],
    "text": str,
}
"""From a cell of the type to its value. Raises ValueError or KeyError for a cell that is not."""
