"""The attributes of a set of images, by column."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from indexer.columns.column import Column, FieldKind, Mask
from indexer.columns.filters import AllOf, AnyOf, Condition, Filter, Not

_KEPT = 16
"""Masks: of a million images one is a megabyte, and takes 0.1 to 4 ms a condition."""


class _Masks:
    """Of the filters that were asked last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._masks: OrderedDict[Filter, Mask] = OrderedDict()

    def get(self, asked: Filter) -> Mask | None:
        with self._lock:
            if asked in self._masks:
                self._masks.move_to_end(asked)
            return self._masks.get(asked)

    def keep(self, asked: Filter, mask: Mask) -> None:
        with self._lock:
            self._masks[asked] = mask
            if len(self._masks) > _KEPT:
                self._masks.popitem(last=False)


@dataclass(frozen=True)
class Columns:
    """Rows of images, and their columns by field. Immutable."""

    count: int
    fields: Mapping[str, Column]
    is_kept: bool = True
    """False where an earlier edition made the version, which kept no attributes in it."""
    _masks: _Masks = field(default_factory=_Masks, repr=False, compare=False)

    @property
    def kinds(self) -> dict[str, FieldKind]:
        return {name: column.kind for name, column in self.fields.items()}

    def remembered(self, filter: Filter) -> Mask:  # noqa: A002 - its name in the API
        """Which rows pass; kept for whoever asks the same, and so not to be written to."""
        mask = self._masks.get(filter)
        if mask is None:
            mask = self.matching(filter)
            mask.flags.writeable = False
            self._masks.keep(filter, mask)
        return mask

    def matching(self, filter: Filter) -> Mask:  # noqa: A002 - its name in the API
        """Which rows pass. A field that is not here is one that all rows lack."""
        match filter:
            case Condition():
                column = self.fields.get(filter.field)
                if column is None:
                    return np.zeros(self.count, bool)
                return column.matching(filter.operator, filter.values)
            case Not():
                found = self.matching(filter.filter)
                return np.logical_not(found, out=found)
            case AllOf():
                found = np.ones(self.count, bool)
                for each in filter.filters:
                    found &= self.matching(each)
                return found
            case AnyOf():
                found = np.zeros(self.count, bool)
                for each in filter.filters:
                    found |= self.matching(each)
                return found
