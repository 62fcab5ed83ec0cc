"""The nearest images of a collection: its version's, without what changed, and what changed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexer.backends.base import Hits, Modality, VectorIndex
from indexer.live.attribute_view import Selection
from indexer.live.delta import Delta
from models.types import Embeddings


class Nearest(NamedTuple):
    """Images, best first; each (n,)."""

    ids: NDArray[np.int64]
    cosines: NDArray[np.float32]
    regions: NDArray[np.int64]
    """Which of an image's regions it is; 0: the whole."""

    def at(self, places: slice | NDArray[np.bool_] | NDArray[np.int64]) -> "Nearest":
        return Nearest(self.ids[places], self.cosines[places], self.regions[places])


def nearest(
    index: VectorIndex | None,
    delta: Delta,
    embedding: Embeddings,
    k: int,
    recall: float,
    modality: Modality,
    among: Selection | None = None,
) -> Nearest:
    """The k images next to an embedding (1, dim), of those in `among`; fewer where there are fewer.

    `index` is the version's, `delta` what lies beside it.
    """
    found = _of_version(index, delta, embedding, k, recall, modality, among)
    if not delta.count:
        return found
    changed = _of_delta(delta, embedding, k, among)
    both = Nearest(
        np.concatenate([found.ids, changed.ids]),
        np.concatenate([found.cosines, changed.cosines]),
        np.concatenate([found.regions, changed.regions]),
    )
    return both.at(np.argsort(-both.cosines, kind="stable")[:k])


def _of_delta(delta: Delta, embedding: Embeddings, k: int, among: Selection | None) -> Nearest:
    mask = None if among is None else among.delta
    return _first(delta.search(embedding, min(k, delta.count), mask))


def _of_version(
    index: VectorIndex | None,
    delta: Delta,
    embedding: Embeddings,
    k: int,
    recall: float,
    modality: Modality,
    among: Selection | None,
) -> Nearest:
    """The index is asked for more than is wanted, and again for still more, where it finds what is
    masked: a mask of rows is without that, an expression is not.
    """
    if index is None or not index.count:
        return Nearest(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int64))
    selected = None if among is None else among.main
    masked = delta.masked if among is None else among.masked
    most = index.count + len(masked)  # Milvus may have taken in what is masked since it counted
    wide = k + min(len(masked), k)
    while True:
        wide = min(wide, most)
        found = _first(index.search(embedding, wide, recall, modality, selected))
        is_all = len(found.ids) < wide or wide == most
        if masked:
            found = found.at(np.array([image not in masked for image in found.ids.tolist()], bool))
        if len(found.ids) >= k or is_all:
            return found.at(slice(k))
        wide *= 2


def _first(found: Hits) -> Nearest:
    """Of the first query. Vectors that are kept in float16 may be a trifle longer than 1."""
    is_hit = found.ids[0] >= 0
    regions = np.zeros(len(is_hit), np.int64) if found.regions is None else found.regions[0]
    return Nearest(found.ids[0], np.clip(found.scores[0], -1, 1), regions).at(is_hit)
