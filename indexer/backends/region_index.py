"""Images that are searched by their regions: each is found by the nearest of them."""

import numpy as np
from numpy.typing import NDArray

from indexer.backends.base import Among, Hits, Modality
from indexer.backends.faiss_index import FaissIndex, rows_of
from models.types import Embeddings

_PARTS_A_HIT = 4
"""Regions that are asked for at first: what overlaps is found together."""
_ALIKE = 5e-4
"""Cosines no further apart are equal: those of vectors in float16 are no more exact."""


class RegionIndex:
    """See `indexer.backends.base.VectorIndex`: one over images, from one over all their regions."""

    def __init__(self, parts: FaissIndex, ids: NDArray[np.int64], regions: int) -> None:
        """`parts` holds (count · regions, dim), an image after the other; its ids are 0, 1, 2 …"""
        self.parts = parts
        self.regions = regions
        self._ids = np.asarray(ids)

    @property
    def count(self) -> int:
        return len(self._ids)

    @property
    def is_quick(self) -> bool:
        return self.parts.is_quick

    @property
    def ids(self) -> NDArray[np.int64]:
        return self._ids

    @property
    def list_sizes(self) -> NDArray[np.int64]:
        """Shape (nlist,): vectors in each inverted list."""
        return self.parts.list_sizes

    @property
    def vectors(self) -> NDArray[np.float16]:
        """Shape (count, regions · dim), memory-mapped."""
        dim = self.parts.vectors.shape[1]
        return self.parts.vectors.reshape(self.count, self.regions * dim)

    def search(
        self,
        queries: Embeddings,
        k: int,
        recall: float,
        modality: Modality,
        among: Among | None = None,
    ) -> Hits:
        assert not isinstance(among, str)  # noqa: S101 - an expression is for Milvus
        matching = self.count if among is None else int(np.count_nonzero(among))
        masks = None if among is None else np.repeat(among, self.regions)
        wanted, most = min(k, matching), self.regions * matching
        asked = min(_PARTS_A_HIT * wanted, most)
        while True:
            found = self.parts.search(queries, asked, recall, modality, masks)
            hits = self._of_images(found, queries, k)
            # Regions of too few images: ask on rather than answer short.
            if asked == most or (hits.ids[:, :wanted] >= 0).all():
                return hits
            asked = min(2 * asked, most)

    def vector_of(self, image_id: int) -> NDArray[np.float32] | None:
        row = self.row_of(image_id)
        return None if row is None else row.reshape(self.regions, -1)[0].astype(np.float32)

    def vectors_of(
        self, image_ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Of the images (n,) that are held, the embeddings of whole pictures (held, dim), and which
        are, (n,).
        """
        rows, is_held = rows_of(self._ids, image_ids)
        whole = self.parts.vectors[self.regions * rows[is_held]]
        return whole.astype(np.float32), is_held

    def may_hold(self, image_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Shape (n,): exactly those that it holds."""
        return rows_of(self._ids, image_ids)[1]

    def row_of(self, image_id: int) -> NDArray[np.float16] | None:
        row = int(np.searchsorted(self._ids, image_id))
        if row == self.count or self._ids[row] != image_id:
            return None
        stored: NDArray[np.float16] = self.vectors[row]
        return stored

    def _of_images(self, found: Hits, queries: Embeddings, k: int) -> Hits:
        """The best region of each image; the whole, where no part is better."""
        shape = (len(found.ids), k)
        ids, regions = np.full(shape, -1, np.int64), np.zeros(shape, np.int64)
        scores = np.full(shape, -np.inf, np.float32)
        for row, query in enumerate(queries):
            parts = found.ids[row][found.ids[row] >= 0]
            first = np.unique(parts // self.regions, return_index=True)[1]
            best = np.sort(first)[:k]
            images, part = np.divmod(parts[best], self.regions)
            cosines = found.scores[row, best]
            whole = self.parts.vectors[self.regions * images].astype(np.float32) @ query
            ids[row, : len(best)] = self._ids[images]
            scores[row, : len(best)] = cosines
            regions[row, : len(best)] = np.where(whole >= cosines - _ALIKE, 0, part)
        return Hits(ids, scores, regions)
