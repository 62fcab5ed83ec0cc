"""One attribute of many images. Each answers conditions for all of its rows at once.

Rows that lack the attribute fulfil no condition. Texts are kept as codes, whose order is that of
the texts they stand for: a range of texts is a range of codes.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.attributes import AttributeValue
from indexer.columns.filters import Operand, Operator

FieldKind = Literal["text", "number", "bool", "date", "list"]
"""A date is a text in the form of ISO 8601, as indexer.attributes has it."""

Mask = NDArray[np.bool_]
"""Shape (rows,), unless it says otherwise."""
Rows = NDArray[np.int64]
FacetValue = str | int | float | bool

_MISSING = -1
"""The code of no text."""
_FEW_CODES = 8
"""So many are compared one by one in less time than a table takes."""
_FEW_WORDS = 10_000


_COMPARED = {
    "gt": np.greater,
    "gte": np.greater_equal,
    "lt": np.less,
    "lte": np.less_equal,
}


class Column(Protocol):
    @property
    def kind(self) -> FieldKind: ...

    def matching(self, operator: Operator, values: Sequence[Operand]) -> Mask:
        """The rows that fulfil a condition, whose values are of the column's kind."""
        ...

    def at(self, rows: Rows) -> list[AttributeValue | None]: ...

    def counted_at(self, rows: Rows) -> list[tuple[FacetValue, int]]:
        """Distinct values of these rows and how many have each, in no order. Of a list's texts each
        counts once a row.
        """
        ...


class Words(Sequence[str]):
    """Distinct texts, ascending, as Arrow keeps them; as Python's own too where they are few."""

    def __init__(self, texts: Any) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, code: Any) -> Any:
        few = self._few
        return self._texts[code].as_py() if few is None else few[code]

    @cached_property
    def _few(self) -> list[str] | None:
        return self._texts.to_pylist() if len(self._texts) <= _FEW_WORDS else None

    def code_of(self, text: str) -> int | None:
        words = self if self._few is None else self._few
        code = bisect_left(words, text)
        return code if code < len(words) and words[code] == text else None


@dataclass(frozen=True)
class TextColumn:
    kind: Literal["text", "date"]
    codes: NDArray[Any]
    """Integers of the least width; −1 for no text."""
    words: Words

    def matching(self, operator: Operator, values: Sequence[Operand]) -> Mask:
        if operator == "in":
            return _among(self.codes, self.words, values)
        return self._within(*self._range(operator, values))

    def _range(self, operator: Operator, values: Sequence[Any]) -> tuple[int, int]:
        """The first code that fulfils it, and the first again that does not."""
        words = self.words
        match operator:
            case "gt":
                return bisect_right(words, values[0]), len(words)
            case "gte":
                return bisect_left(words, values[0]), len(words)
            case "lt":
                return 0, bisect_left(words, values[0])
            case "lte":
                return 0, bisect_right(words, values[0])
            case _:
                return 0, len(words)

    def _within(self, first: int, end: int) -> Mask:
        """One more than the greatest code need not fit its width: it is not compared with."""
        if first == len(self.words):
            return np.zeros(len(self.codes), bool)
        found: Mask = self.codes >= first
        if end < len(self.words):
            found &= self.codes < end
        return found

    def at(self, rows: Rows) -> list[AttributeValue | None]:
        codes, places = np.unique(self.codes[rows], return_inverse=True)
        texts = [None if code == _MISSING else self.words[code] for code in codes.tolist()]
        return [texts[place] for place in places.tolist()]

    def counted_at(self, rows: Rows) -> list[tuple[FacetValue, int]]:
        return _counted_words(self.codes[rows], self.words)


@dataclass(frozen=True)
class NumberColumn:
    values: NDArray[np.int64] | NDArray[np.float64]
    known: Mask | None
    """None: all rows have one."""

    kind: Literal["number"] = "number"

    def matching(self, operator: Operator, values: Sequence[Operand]) -> Mask:
        if operator == "exists":
            return _where_known(np.ones(len(self.values), bool), self.known)
        if operator == "in":
            return _where_known(self._among(values), self.known)
        return _where_known(self._ordered(operator, values[0]), self.known)

    def at(self, rows: Rows) -> list[AttributeValue | None]:
        return _listed(self.values[rows], self.known, rows)

    def counted_at(self, rows: Rows) -> list[tuple[FacetValue, int]]:
        return _counted(self.values, self.known, rows)

    @property
    def _is_whole(self) -> bool:
        return self.values.dtype == np.int64

    def _among(self, values: Sequence[Operand]) -> Mask:
        numbers = [float(value) for value in values]
        if self._is_whole:
            whole = [int(value) for value in values if value == int(value)]
            numbers = [number for number in whole if abs(number) < 2**63]
        if len(numbers) > _FEW_CODES:
            return np.isin(self.values, np.array(numbers, self.values.dtype))
        return _any_of([self.values == number for number in numbers], len(self.values))

    def _ordered(self, operator: Operator, bound: Any) -> Mask:
        """Whole numbers are compared with whole ones: as float64 great ones would be equal."""
        if self._is_whole:
            bound = floor(bound) if operator in {"gt", "lte"} else ceil(bound)
        found: Mask = _COMPARED[operator](self.values, bound)
        return found


@dataclass(frozen=True)
class BoolColumn:
    values: Mask
    known: Mask | None
    """None: all rows have one."""

    kind: Literal["bool"] = "bool"

    def matching(self, operator: Operator, values: Sequence[Operand]) -> Mask:
        if operator == "exists":
            return _where_known(np.ones(len(self.values), bool), self.known)
        found = _any_of([self.values == bool(value) for value in values], len(self.values))
        return _where_known(found, self.known)

    def at(self, rows: Rows) -> list[AttributeValue | None]:
        return _listed(self.values[rows], self.known, rows)

    def counted_at(self, rows: Rows) -> list[tuple[FacetValue, int]]:
        return _counted(self.values, self.known, rows)


@dataclass(frozen=True)
class ListColumn:
    """Row n has the texts `codes[offsets[n] : offsets[n + 1]]`."""

    offsets: NDArray[np.int32] | NDArray[np.int64]
    """Shape (rows + 1,)."""
    codes: NDArray[Any]
    words: Words
    known: Mask | None
    """None: all rows have a list, if only an empty one."""

    kind: Literal["list"] = "list"

    def matching(self, operator: Operator, values: Sequence[Operand]) -> Mask:
        if operator == "exists":
            return _where_known(np.ones(len(self.offsets) - 1, bool), self.known)
        found = np.zeros(len(self.offsets) - 1, bool)
        found[self._owners[np.flatnonzero(_among(self.codes, self.words, values))]] = True
        return found

    def at(self, rows: Rows) -> list[AttributeValue | None]:
        known = np.ones(len(rows), bool) if self.known is None else self.known[rows]
        bounds = zip(self.offsets[rows].tolist(), self.offsets[rows + 1].tolist(), strict=True)
        return [
            [self.words[code] for code in self.codes[start:end].tolist()] if is_known else None
            for is_known, (start, end) in zip(known.tolist(), bounds, strict=True)
        ]

    def counted_at(self, rows: Rows) -> list[tuple[FacetValue, int]]:
        starts, lengths = self.offsets[rows].astype(np.int64), self._lengths[rows]
        owners = np.repeat(np.arange(len(rows)), lengths)
        begun = np.cumsum(lengths) - lengths
        places = np.arange(len(owners)) + (starts - begun)[owners]
        pairs = owners * max(1, len(self.words)) + self.codes[places]
        return _counted_words(np.unique(pairs) % max(1, len(self.words)), self.words)

    @cached_property
    def _owners(self) -> NDArray[np.int32]:
        """Shape (texts,): the row of each."""
        return np.repeat(np.arange(len(self._lengths), dtype=np.int32), self._lengths)

    @cached_property
    def _lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets).astype(np.int64)


def _among(codes: NDArray[Any], words: Words, texts: Sequence[Any]) -> Mask:
    wanted = [code for text in texts if (code := words.code_of(text)) is not None]
    if len(wanted) <= _FEW_CODES:
        return _any_of([codes == code for code in wanted], len(codes))
    is_wanted = np.zeros(len(words) + 1, bool)  # the last is for −1
    is_wanted[wanted] = True
    return is_wanted.take(codes)


def _any_of(masks: list[Mask], count: int) -> Mask:
    if not masks:
        return np.zeros(count, bool)
    found = masks[0]
    for mask in masks[1:]:
        found |= mask
    return found


def _where_known(mask: Mask, known: Mask | None) -> Mask:
    if known is not None:
        mask &= known
    return mask


def _listed(values: NDArray[Any], known: Mask | None, rows: Rows) -> list[AttributeValue | None]:
    if known is None:
        return values.tolist()  # type: ignore[no-any-return]
    pairs = zip(values.tolist(), known[rows].tolist(), strict=True)
    return [value if is_known else None for value, is_known in pairs]


def _counted(values: NDArray[Any], known: Mask | None, rows: Rows) -> list[tuple[FacetValue, int]]:
    held = rows if known is None else rows[known[rows]]
    distinct, counts = np.unique(values[held], return_counts=True)
    return list(zip(distinct.tolist(), counts.tolist(), strict=True))


def _counted_words(codes: NDArray[Any], words: Words) -> list[tuple[FacetValue, int]]:
    distinct, counts = np.unique(codes, return_counts=True)
    pairs = zip(distinct.tolist(), counts.tolist(), strict=True)
    return [(words[code], count) for code, count in pairs if code != _MISSING]
