"""The attributes of what changed beside a version: they hold instead of the version's own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from indexer.attributes import Attributes
from indexer.columns.arrow import columns_of
from indexer.columns.collect import collect, merged
from indexer.columns.column import FieldKind, Mask
from indexer.columns.columns import Columns

_FEWEST_RECENT = 256
_SHARE_RECENT = 64
"""Made into columns at the first filter after a change, 256 in 2 ms; merged with 20,000 in 10."""


class VersionColumns(Protocol):
    """The attributes of a version's images, wherever they are."""

    @property
    def kinds(self) -> Mapping[str, FieldKind]: ...

    @property
    def is_kept(self) -> bool:
        """False where an earlier edition made the version, which kept no attributes in it."""
        ...


@dataclass(frozen=True)
class Part:
    """Images and their columns."""

    ids: NDArray[np.int64]
    """Shape (count,), ascending."""
    batch: Any
    """As indexer.columns.collect makes it."""

    @classmethod
    def of(cls, images: Mapping[int, Attributes | None], kinds: Mapping[str, FieldKind]) -> Self:
        """Of those that are not None."""
        ids = sorted(image for image, attributes in images.items() if attributes is not None)
        return cls(np.array(ids, np.int64), collect((images[image] or {} for image in ids), kinds))

    @cached_property
    def columns(self) -> Columns:
        return columns_of(self.batch, len(self.ids))

    def replaced(self, is_kept: Mask, newer: Self) -> Self:
        """Those that are kept, and others."""
        ids = np.union1d(self.ids[is_kept], newer.ids)
        places = np.where(is_kept, np.searchsorted(ids, self.ids), -1)
        whole = merged((self.batch, places), (newer.batch, np.searchsorted(ids, newer.ids)))
        return type(self)(ids, whole)


@dataclass(frozen=True)
class Overlay:
    """Immutable: what changes makes another one, which shares the larger part with this."""

    main: VersionColumns
    """Those of the version, which say what kinds its fields are."""
    base: Part
    recent: Mapping[int, Attributes | None]
    """What changed since `base` was made; None: it was deleted."""

    @classmethod
    def empty(cls, main: VersionColumns) -> Self:
        return cls(main, Part.of({}, {}), {})

    def with_changes(
        self, changed: Mapping[int, Attributes], deleted: NDArray[np.int64]
    ) -> "Overlay":
        if not changed and not len(deleted):
            return self
        recent = {**self.recent, **changed, **dict.fromkeys(deleted.tolist())}
        if len(recent) > max(_FEWEST_RECENT, len(self.base.ids) // _SHARE_RECENT):
            return self._merged(recent)
        return replace(self, recent=recent)

    @cached_property
    def parts(self) -> list[tuple[Part, Mask]]:
        """Each with which of its images (count,) it is to be asked for: an image is in one."""
        newer = Part.of(self.recent, self._known_kinds)
        return [(self.base, self._is_kept(self.recent)), (newer, np.ones(len(newer.ids), bool))]

    @cached_property
    def kinds(self) -> dict[str, FieldKind]:
        """Of all fields, the version's among them. A date is one as long as all its texts are."""
        kinds: dict[str, FieldKind] = {}
        sets = [self.main.kinds, *(part.columns.kinds for part, _ in self.parts)]
        for name, kind in chain.from_iterable(each.items() for each in sets):
            if kinds.setdefault(name, kind) == "date":
                kinds[name] = kind
        return kinds

    @property
    def _known_kinds(self) -> dict[str, FieldKind]:
        return {**self.base.columns.kinds, **self.main.kinds}

    def _merged(self, recent: Mapping[int, Attributes | None]) -> "Overlay":
        newer = Part.of(recent, self._known_kinds)
        return replace(self, base=self.base.replaced(self._is_kept(recent), newer), recent={})

    def _is_kept(self, recent: Mapping[int, Attributes | None]) -> Mask:
        """Which images of the base did not change since; shape (count,)."""
        return ~np.isin(self.base.ids, np.fromiter(recent, np.int64, len(recent)))
