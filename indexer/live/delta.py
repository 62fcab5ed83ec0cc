"""What changed beside a version: searched exactly, and hidden in the version's own answers."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from indexer.attributes import Attributes
from indexer.backends.base import Hits, VectorIndex
from indexer.backends.opening import ImageIndex, exact_search
from indexer.columns.column import Mask
from indexer.columns.columns import Columns
from indexer.live.changes import Changes
from indexer.live.overlay import Overlay, VersionColumns
from models.types import Embeddings

_EXACT = 1.0


@dataclass(frozen=True)
class Delta:
    """The images of a collection that its version does not hold as they are, up to a change number.

    Immutable: what changes makes another one.
    """

    main: VectorIndex | None
    """The version's index; None where everything is in here."""
    change_number: int
    index: ImageIndex
    """The vectors, float16, by ascending id."""
    from_api: NDArray[np.bool_]
    """Shape (count,): which of them came through the API."""
    overlay: Overlay
    """Attributes of what changed, whether its vector did or not."""
    masked: frozenset[int] = frozenset()
    """Images of `main` that changed or were deleted: not to be found there."""
    left_out: int = 0
    """Changes that did not fit. An image that changed twice counts twice."""
    waiting: int = 0
    """Changes of images that have no embedding of this encoder."""

    @classmethod
    def empty(
        cls,
        dim: int,
        change_number: int,
        main: VectorIndex | None = None,
        columns: VersionColumns | None = None,
        regions: int = 1,
    ) -> Self:
        """Beside a version as it was made, and its columns; or of a collection without one, before
        its first image.

        `change_number` is the last that the version holds.
        """
        rows = np.empty((0, regions * dim), np.float16)
        index = exact_search(np.empty(0, np.int64), rows, regions)
        return cls(
            main,
            change_number,
            index,
            np.empty(0, bool),
            Overlay.empty(columns or Columns(main.count if main else 0, {})),
        )

    @cached_property
    def count(self) -> int:
        return self.index.count

    @property
    def dim(self) -> int:
        """Of an embedding."""
        row_dim: int = self.index.vectors.shape[1]
        return row_dim // self.index.regions

    @cached_property
    def is_nothing(self) -> bool:
        """Whether the version answers alone."""
        return not self.index.count and not self.masked

    def search(self, queries: Embeddings, k: int, among: Mask | None = None) -> Hits:
        """The k nearest of (queries, dim), of those `among` (count,). Raises ValueError for what
        are not unit vectors.
        """
        return self.index.search(queries, k, _EXACT, "image", among)

    def vector_of(self, image_id: int) -> NDArray[np.float32] | None:
        """Of the whole picture (dim,), here or in the version; None where the image is in
        neither. Raises IndexAway.
        """
        vector = self.index.vector_of(image_id)
        if vector is None and self.main is not None and image_id not in self.masked:
            return self.main.vector_of(image_id)
        return vector

    def vectors_of(self, image_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The embeddings (held, dim) of those of the images (n,) that are here or in the version,
        in their order. Raises IndexAway.
        """
        return self.held_vectors(image_ids)[0]

    def held_vectors(
        self, image_ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The same, and which of them are held, (n,)."""
        held, is_held = self.index.vectors_of(image_ids)
        if self.main is None:
            return held, is_held
        masked = self.masked
        is_masked = np.array([image in masked for image in image_ids.tolist()], bool)
        others = np.flatnonzero(~(is_held | is_masked))
        of_main, in_main = self.main.vectors_of(image_ids[others])
        places = np.concatenate([np.flatnonzero(is_held), others[in_main]])
        is_held[others[in_main]] = True
        if not len(held):
            return of_main, is_held
        return np.concatenate([held, of_main])[np.argsort(places)], is_held

    def with_changes(self, changes: Changes, limit: int) -> "Delta":
        """With at most `limit` images, where those of the API are the last to be left out.

        Images that changed to what the version holds of them (their attributes did) are not kept.
        """
        moved = replace(
            self,
            change_number=changes.change_number,
            left_out=self.left_out + changes.left_out,
            waiting=self.waiting + changes.waiting,
            overlay=self.overlay.with_changes(_attributes(changes), changes.deleted),
        )
        if not len(changes.ids) and not len(changes.deleted):
            return moved
        alive = ~np.isin(changes.ids, changes.deleted)
        as_before, superseded = self._held_by_main(changes.ids[alive], changes.vectors[alive])
        masked = (self.masked - {*changes.ids.tolist()}) | superseded
        return _with_images(
            replace(moved, masked=masked | self._in_main(changes.deleted)),
            changes,
            staying=~np.isin(self.index.ids, np.concatenate([changes.ids, changes.deleted])),
            arriving=np.flatnonzero(alive)[~as_before],
            limit=limit,
        )

    def _held_by_main(
        self, ids: NDArray[np.int64], vectors: NDArray[np.float16]
    ) -> tuple[NDArray[np.bool_], frozenset[int]]:
        """Which (n,) the version holds with these very vectors, and those that it may hold with
        others.
        """
        as_before = np.zeros(len(ids), bool)
        if self.main is None:
            return as_before, frozenset()
        for number, image in enumerate(ids.tolist()):
            held = self.main.row_of(image)
            as_before[number] = held is not None and held.tobytes() == vectors[number].tobytes()
        superseded = self.main.may_hold(ids) & ~as_before
        return as_before, frozenset(ids[superseded].tolist())

    def _in_main(self, ids: NDArray[np.int64]) -> frozenset[int]:
        return (
            frozenset() if self.main is None else frozenset(ids[self.main.may_hold(ids)].tolist())
        )


def _with_images(
    delta: Delta,
    changes: Changes,
    *,
    staying: NDArray[np.bool_],
    arriving: NDArray[np.int64],
    limit: int,
) -> Delta:
    """Those of `delta` that are `staying`, and those of the changes that are `arriving`."""
    ids = np.concatenate([delta.index.ids[staying], changes.ids[arriving]])
    vectors = np.concatenate([delta.index.vectors[staying], changes.vectors[arriving]])
    from_api = np.concatenate([delta.from_api[staying], changes.from_api[arriving]])
    first = np.argsort(~from_api, kind="stable")  # those of the API, otherwise the earlier ones
    outside = ids[first[limit:]].tolist()
    order = first[:limit][np.argsort(ids[first[:limit]])]
    return replace(
        delta,
        index=exact_search(ids[order], vectors[order], delta.index.regions),
        from_api=from_api[order],
        masked=delta.masked - {*outside},  # found as they were, rather than not at all
        left_out=delta.left_out + len(outside),
    )


def _attributes(changes: Changes) -> dict[int, Attributes]:
    return {image: {} for image in changes.ids.tolist()} | dict(changes.attributes)
