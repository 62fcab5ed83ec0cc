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
from indexer.backends.base import Among
from indexer.columns.column import Column, FacetValue, FieldKind, Mask
from indexer.columns.columns import Columns
from indexer.columns.filters import Condition, Filter, conditions
from indexer.errors import BadFilter, Rejected, RejectReason
from indexer.live.delta import Delta
from indexer.live.main_attributes import (
    MainAttributes,
    Selected,
    looked_up,
    main_attributes,
    shared,
)

_NAMED = 3


@dataclass(frozen=True)
class Selection:
    """The images that pass a filter."""

    version: Selected | None
    """None: no version."""
    delta: Mask
    """Shape (delta's count,)."""

    @property
    def main(self) -> Among | None:
        """Of the version's images; None: there is no version."""
        return None if self.version is None else self.version.among

    @property
    def masked(self) -> frozenset[int]:
        """What the version may find of these that is not to be found."""
        return frozenset() if self.version is None else self.version.masked

    @cached_property
    def count(self) -> int:
        """At most."""
        in_main = 0 if self.version is None else self.version.most
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
        """What passes; `check` has passed the filter. Raises IndexAway."""
        delta = np.zeros(self._delta.count, bool)
        for columns, of_part, rows in self._places:
            delta[rows] = columns.matching(filter)[of_part]
        return Selection(None if self._main is None else self._main.select(filter), delta)

    def facet(self, ids: NDArray[np.int64], field: str, limit: int) -> list[tuple[FacetValue, int]]:
        """How many of the images (n,) have which value: the most frequent `limit`, most first.
        Each of a list's texts counts. Raises IndexAway.
        """
        counts = Counter[FacetValue]()
        for rows, column in self._held(ids, field):
            for value, count in column.counted_at(rows.inside):
                counts[value] += count
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]

    def values(self, ids: NDArray[np.int64], field: str) -> list[AttributeValue | None]:
        """Of the images (n,), in their order; None for those without the field. Raises
        IndexAway.
        """
        found: list[AttributeValue | None] = [None] * len(ids)
        for rows, column in self._held(ids, field):
            for number, value in zip(rows.numbers.tolist(), column.at(rows.inside), strict=True):
                found[number] = value
        return found

    def _held(self, ids: NDArray[np.int64], field: str) -> Iterator[tuple["_Rows", Column]]:
        """The columns that hold the field, each with the images that it is to be asked for."""
        left = np.arange(len(ids))
        for part, is_asked in self._delta.overlay.parts:
            if not len(part.ids):
                continue
            rows, is_here = looked_up(part.ids, ids[left])
            is_here[is_here] = is_asked[rows[is_here]]
            if field in part.columns.fields and is_here.any():
                yield _Rows(left[is_here], rows[is_here]), part.columns.fields[field]
            left = left[~is_here]
        if self._main is not None and len(left):
            held = self._main.held(ids[left])
            if field in held.columns.fields and held.is_here.any():
                rows = held.rows[held.is_here]
                yield _Rows(left[held.is_here], rows), held.columns.fields[field]

    @cached_property
    def _main(self) -> MainAttributes | None:
        return main_attributes(self._delta)

    @cached_property
    def _places(self) -> list[tuple[Columns, NDArray[np.int64], NDArray[np.int64]]]:
        """Where the images of the parts of the overlay are in the delta."""
        return [
            (part.columns, *shared(part.ids, is_asked, self._delta.index.ids))
            for part, is_asked in self._delta.overlay.parts
            if len(part.ids)
        ]


class _Rows(NamedTuple):
    numbers: NDArray[np.int64]
    """Which of the images that were asked for."""
    inside: NDArray[np.int64]
    """Their rows in the columns."""


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
