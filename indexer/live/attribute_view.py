"""The attributes of a collection at one moment: its version's, and what changed since."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexer.attributes import Attributes, AttributeValue, iso, kind_of
from indexer.columns.column import Column, FacetValue, FieldKind, Mask
from indexer.columns.columns import Columns
from indexer.columns.filters import Condition, Filter, conditions
from indexer.errors import BadFilter, Rejected, RejectReason
from indexer.live.delta import Delta

_NAMED = 3


@dataclass(frozen=True)
class Selection:
    """The images that pass a filter."""

    main: Mask | None
    """Shape (version's count,), without what changed or was deleted since; None: no version."""
    delta: Mask
    """Shape (delta's count,)."""

    @cached_property
    def count(self) -> int:
        in_main = 0 if self.main is None else int(np.count_nonzero(self.main))
        return in_main + int(np.count_nonzero(self.delta))


class AttributeView:
    """Of one delta, and the version that it lies beside. Immutable, and safe in several threads."""

    def __init__(self, delta: Delta) -> None:
        self._delta = delta

    @property
    def fields(self) -> Mapping[str, FieldKind]:
        return self._delta.overlay.kinds

    def check(self, filter: Filter) -> None:  # noqa: A002 - its name in the API
        """Raises BadFilter where a field is unknown, or a value is of another kind than it."""
        for condition in conditions(filter):
            _require_fit(condition, self.require_field(condition.field, condition.where))

    def require_field(self, name: str, where: str) -> FieldKind:
        """Raises BadFilter where no image has it."""
        if not self._delta.overlay.main.is_kept:
            raise BadFilter(
                where, "cannot be asked: an earlier edition made the index; reindex the collection"
            )
        if name not in self.fields:
            raise BadFilter(where, f"names no field of the collection{_alike(name, self.fields)}")
        return self.fields[name]

    def require_kinds(self, attributes: Attributes) -> None:
        """Raises Rejected, bad_attributes, where a value is not of its field's kind."""
        for name, value in attributes.items():
            expected = self.fields.get(name)
            kind = kind_of(value)
            if expected is not None and kind != _stored_as(expected):
                detail = f"{name!r} is a {kind} here and a {expected} in the collection"
                raise Rejected(RejectReason.BAD_ATTRIBUTES, detail)

    def select(self, filter: Filter) -> Selection:  # noqa: A002 - as above
        """Masks of what passes; `check` has passed the filter."""
        delta = np.zeros(self._delta.count, bool)
        main = None
        if self._delta.main is not None:
            main = self._delta.overlay.main.remembered(filter)
            if self._is_changed:
                main = main.copy()
        for place in self._places:
            passing = place.columns.matching(filter)
            delta[place.delta_rows] = passing[place.of_delta]
            if main is not None:
                main[place.main_rows] = passing[place.of_main]
        if main is not None and len(self._masked_rows):
            main[self._masked_rows] = False
        return Selection(main, delta)

    def facet(self, ids: NDArray[np.int64], field: str, limit: int) -> list[tuple[FacetValue, int]]:
        """How many of the images (n,) have which value: the most frequent `limit`, most first.
        Each of a list's texts counts.
        """
        counts = Counter[FacetValue]()
        for rows, column in self._held(ids, field):
            for value, count in column.counted_at(rows.inside):
                counts[value] += count
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]

    def values(self, ids: NDArray[np.int64], field: str) -> list[AttributeValue | None]:
        """Of the images (n,), in their order; None for those without the field."""
        found: list[AttributeValue | None] = [None] * len(ids)
        for rows, column in self._held(ids, field):
            for number, value in zip(rows.numbers.tolist(), column.at(rows.inside), strict=True):
                found[number] = value
        return found

    def _held(self, ids: NDArray[np.int64], field: str) -> Iterator[tuple["_Rows", Column]]:
        """The columns that hold the field, each with the images that it is to be asked for."""
        left = np.arange(len(ids))
        for held, is_asked, columns in self._sources:
            rows, is_here = _looked_up(held, ids[left])
            if is_asked is not None:
                is_here[is_here] = is_asked[rows[is_here]]
            if field in columns.fields and is_here.any():
                yield _Rows(left[is_here], rows[is_here]), columns.fields[field]
            left = left[~is_here]

    @cached_property
    def _sources(self) -> list[tuple[NDArray[np.int64], Mask | None, Columns]]:
        overlay, main = self._delta.overlay, self._delta.main
        found: list[tuple[NDArray[np.int64], Mask | None, Columns]] = [
            (part.ids, is_asked, part.columns) for part, is_asked in overlay.parts if len(part.ids)
        ]
        if main is not None:
            found.append((main.ids, None, overlay.main))
        return found

    @cached_property
    def _places(self) -> list["_Place"]:
        main = self._delta.main
        main_ids = np.empty(0, np.int64) if main is None else main.ids
        return [
            _Place(
                part.columns,
                *_shared(part.ids, is_asked, main_ids),
                *_shared(part.ids, is_asked, self._delta.index.ids),
            )
            for part, is_asked in self._delta.overlay.parts
            if len(part.ids)
        ]

    @property
    def _is_changed(self) -> bool:
        return bool(self._places) or len(self._masked_rows) > 0

    @cached_property
    def _masked_rows(self) -> NDArray[np.int64]:
        masked = np.fromiter(self._delta.masked, np.int64, len(self._delta.masked))
        main = self._delta.main
        return np.empty(0, np.int64) if main is None else np.searchsorted(main.ids, masked)


class _Rows(NamedTuple):
    numbers: NDArray[np.int64]
    """Which of the images that were asked for."""
    inside: NDArray[np.int64]
    """Their rows in the columns."""


class _Place(NamedTuple):
    """Where the images of a part of the overlay are in the version and in the delta."""

    columns: Columns
    of_main: NDArray[np.int64]
    """Rows of the part, and of the version."""
    main_rows: NDArray[np.int64]
    of_delta: NDArray[np.int64]
    """Rows of the part, and of the delta."""
    delta_rows: NDArray[np.int64]


def _shared(
    ids: NDArray[np.int64], is_asked: Mask, others: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of `ids` that are in `others` too, and their rows there; both ascend."""
    rows, is_there = _looked_up(others, ids)
    is_there &= is_asked
    return np.flatnonzero(is_there), rows[is_there]


def _looked_up(held: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], Mask]:
    """The rows of the ids (n,) among those `held`, ascending, and which of them are there."""
    order = np.argsort(ids)  # so that what is near is looked up together: half the time
    rows = np.empty(len(ids), np.int64)
    rows[order] = np.searchsorted(held, ids[order])
    is_there = rows < len(held)
    is_there[is_there] = held[rows[is_there]] == ids[is_there]
    return rows, is_there


def _stored_as(kind: FieldKind) -> FieldKind:
    return "text" if kind == "date" else kind


def _require_fit(condition: Condition, kind: FieldKind) -> None:
    """Raises BadFilter."""
    if condition.operator in {"gt", "gte", "lt", "lte"} and kind in {"bool", "list"}:
        raise BadFilter(condition.where, f"asks for an order, and {condition.field!r} is a {kind}")
    for value in condition.values:
        if kind_of(value) != ("text" if kind == "list" else _stored_as(kind)):
            found = f"a {kind_of(value)}"
        elif kind == "date" and iso(str(value)) is None:
            found = "no date"
        else:
            continue
        raise BadFilter(condition.where, f"is {found}, and {condition.field!r} is a {kind}")


def _alike(name: str, fields: Mapping[str, FieldKind]) -> str:
    near = get_close_matches(name, fields, _NAMED)
    return f": did you mean {' or '.join(map(repr, near))}?" if near else ""
