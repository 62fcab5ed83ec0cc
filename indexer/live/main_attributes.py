"""The attributes of a version's images beside what changed since: in columns here, or in Milvus."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.backends.base import Among
from indexer.backends.milvus.columns import MilvusColumns
from indexer.backends.milvus.expression import expression_of, ids_expression
from indexer.backends.opening import ImageIndex
from indexer.columns.column import Mask
from indexer.columns.columns import Columns
from indexer.columns.filters import Filter
from indexer.live.delta import Delta

_LOOKED_UP = 4
"""Answers that are kept: the facets of a search ask for the same images, one after the other."""


class Selected(NamedTuple):
    """Of a version's images those that pass a filter."""

    among: Among
    most: int
    """So many images, or fewer."""
    masked: frozenset[int]
    """Images to be dropped from what is found nevertheless."""


class Held(NamedTuple):
    """Which of some images are in columns, and where."""

    rows: NDArray[np.int64]
    """Shape (n,): rows of the columns; anything for those that are not there."""
    is_here: Mask
    columns: Columns


class MainAttributes(Protocol):
    def select(self, filter: Filter) -> Selected:  # noqa: A002 - its name in the API
        """Raises IndexAway."""
        ...

    def held(self, ids: NDArray[np.int64]) -> Held:
        """Raises IndexAway."""
        ...


def main_attributes(delta: Delta) -> MainAttributes | None:
    """None: there is no version."""
    main, columns = delta.main, delta.overlay.main
    if isinstance(columns, MilvusColumns):
        return InMilvus(delta, columns)
    if main is None:
        return None
    assert isinstance(main, ImageIndex)  # noqa: S101 - as its columns
    assert isinstance(columns, Columns)  # noqa: S101 - there are no others
    return InFiles(delta, main.ids, columns)


@dataclass(frozen=True)
class InFiles:
    delta: Delta
    ids: NDArray[np.int64]
    """Shape (version's count,), ascending."""
    columns: Columns

    def select(self, filter: Filter) -> Selected:  # noqa: A002 - its name in the API
        """A mask, without what changed or was deleted since."""
        mask = self.columns.remembered(filter)
        if not self._places and not len(self._masked_rows):
            return Selected(mask, int(np.count_nonzero(mask)), frozenset())
        mask = mask.copy()
        for columns, of_part, rows in self._places:
            mask[rows] = columns.matching(filter)[of_part]
        mask[self._masked_rows] = False
        return Selected(mask, int(np.count_nonzero(mask)), frozenset())

    def held(self, ids: NDArray[np.int64]) -> Held:
        return Held(*looked_up(self.ids, ids), self.columns)

    @cached_property
    def _places(self) -> list[tuple[Columns, NDArray[np.int64], NDArray[np.int64]]]:
        return [
            (part.columns, *shared(part.ids, is_asked, self.ids))
            for part, is_asked in self.delta.overlay.parts
            if len(part.ids)
        ]

    @cached_property
    def _masked_rows(self) -> NDArray[np.int64]:
        masked = np.fromiter(self.delta.masked, np.int64, len(self.delta.masked))
        return np.searchsorted(self.ids, masked)


class InMilvus:
    def __init__(self, delta: Delta, columns: MilvusColumns) -> None:
        self._delta = delta
        self._columns = columns
        self._held = lru_cache(_LOOKED_UP)(self._asked)

    def select(self, filter: Filter) -> Selected:  # noqa: A002 - its name in the API
        """An expression. What changed and is found by the version's vector all the same, as it has
        no other yet, is judged here.
        """
        changed, passing = self._judged(filter)
        expression = expression_of(filter)
        if len(passing):
            expression = f"({expression}) or ({ids_expression(passing)})"
        masked = self._delta.masked | (changed - frozenset(passing.tolist()))
        count = 0 if self._delta.main is None else self._delta.main.count
        return Selected(expression, count, masked)

    def held(self, ids: NDArray[np.int64]) -> Held:
        return self._held(ids.tobytes())

    def _judged(self, filter: Filter) -> tuple[frozenset[int], NDArray[np.int64]]:  # noqa: A002
        """Images whose attributes changed and that are not masked; those of them that pass."""
        changed, passing = [], []
        masked = np.fromiter(self._delta.masked, np.int64, len(self._delta.masked))
        for part, is_asked in self._delta.overlay.parts:
            if len(part.ids):
                is_open = is_asked & ~np.isin(part.ids, masked)
                changed.append(part.ids[is_open])
                passing.append(part.ids[is_open & part.columns.matching(filter)])
        whole = np.concatenate([np.empty(0, np.int64), *changed])
        return frozenset(whole.tolist()), np.concatenate([np.empty(0, np.int64), *passing])

    def _asked(self, wanted: bytes) -> Held:
        ids = np.frombuffer(wanted, np.int64)
        held, columns = self._columns.held(ids)
        return Held(*looked_up(held, ids), columns)


def shared(
    ids: NDArray[np.int64], is_asked: Mask, others: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of `ids` that are in `others` too, and their rows there; both ascend."""
    rows, is_there = looked_up(others, ids)
    is_there &= is_asked
    return np.flatnonzero(is_there), rows[is_there]


def looked_up(held: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], Mask]:
    """The rows of the ids (n,) among those `held`, ascending, and which of them are there."""
    order = np.argsort(ids)  # so that what is near is looked up together: half the time
    rows = np.empty(len(ids), np.int64)
    rows[order] = np.searchsorted(held, ids[order])
    is_there = rows < len(held)
    is_there[is_there] = held[rows[is_there]] == ids[is_there]
    return rows, is_there
