"""The nearest images of a collection: its version's, without what changed, and what changed."""

from collections.abc import Callable, Sequence
from operator import itemgetter

import numpy as np

from app.search.rows import Row
from app.serving.snapshot import Segments
from indexer.backends.base import Hits, Modality
from models.types import Embeddings

RowsOf = Callable[[Sequence[int]], dict[int, Row]]

Ranked = tuple[Row, float]
"""An image and its cosine."""


class Finder:
    """One search of one snapshot."""

    def __init__(
        self,
        segments: Segments,
        embedding: Embeddings,
        modality: Modality,
        recall: float,
        itself: int | None,
    ) -> None:
        """`embedding` has the shape (1, dim); `itself` is the image that asks for its like, no
        answer to its own question.
        """
        self._version = segments.version
        self._delta = segments.delta
        self._embedding = embedding
        self._modality = modality
        self._recall = recall
        self._itself = itself

    def find(self, k: int, rows_of: RowsOf) -> list[Ranked]:
        """The k best that still exist, best first. An image that was deleted a moment ago is passed
        over; where too many were, the index is asked again, for more.
        """
        asked = k + 1
        while True:
            ranked = self._existing(self._best(asked), rows_of)
            if len(ranked) >= k or asked >= self._held:
                return ranked[:k]
            asked *= 2

    @property
    def _held(self) -> int:
        return self._delta.count + (self._version.index.count if self._version else 0)

    def _existing(self, found: list[tuple[int, float]], rows_of: RowsOf) -> list[Ranked]:
        rows = rows_of([image for image, _ in found])
        itself = self._itself
        return [(rows[image], score) for image, score in found if image in rows and image != itself]

    def _best(self, asked: int) -> list[tuple[int, float]]:
        """At most so many ids, with their cosines."""
        if self._delta.is_nothing:
            return self._of_version(asked)
        both = self._of_version(asked) + self._of_delta(asked)
        both.sort(key=itemgetter(1), reverse=True)
        return both[:asked]

    def _of_delta(self, asked: int) -> list[tuple[int, float]]:
        asked = min(asked, self._delta.count)
        return _listed(self._delta.search(self._embedding, asked)) if asked else []

    def _of_version(self, asked: int) -> list[tuple[int, float]]:
        """Without the images that changed: asked for more than is wanted, and again for still more
        where that is not enough.
        """
        if self._version is None or not (count := self._version.index.count):
            return []
        masked = self._delta.masked
        wide = asked + min(len(masked), asked)
        while True:
            wide = min(wide, count)
            found = _listed(
                self._version.index.search(self._embedding, wide, self._recall, self._modality)
            )
            kept = [hit for hit in found if hit[0] not in masked] if masked else found
            if len(kept) >= asked or wide == count:
                return kept[:asked]
            wide *= 2


def _listed(found: Hits) -> list[tuple[int, float]]:
    """Of the first query. Vectors that are kept in float16 may be a trifle longer than 1."""
    cosines = np.clip(found.scores[0], -1, 1)
    listed = zip(found.ids[0].tolist(), cosines.tolist(), strict=True)
    return [hit for hit in listed if hit[0] >= 0]
