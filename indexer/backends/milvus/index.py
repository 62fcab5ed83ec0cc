"""The VectorIndex contract over a collection of Milvus."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.backends.base import Among, Hits, Modality, nothing, point_for, require_unit
from indexer.backends.filtered import LEAST_DEPTH
from indexer.backends.milvus.connection import BUILD_SECONDS, SEARCH_SECONDS, Milvus
from indexer.backends.milvus.schema import ID, METRIC, VECTOR
from indexer.versions.manifest import Calibration
from models.types import Embeddings

MOST_HITS = 16_384
"""Of a search, says Milvus."""
_CANDIDATES_PER_HIT = 4
"""As indexer.backends.faiss_index has it."""
_FILTERED_WIDER = 6
"""Times the calibrated lists: what passes a filter may lie away from the query."""
_IDS_AT_ONCE = 1_000


class MilvusIndex:
    """See `indexer.backends.base.VectorIndex`. `among` is an expression.

    Hits are exact: those of a compressed index are scored again, by the vectors that Milvus gives
    back. All that is here is the number of images.
    """

    regions = 1
    is_quick = False

    def __init__(
        self,
        milvus: Milvus,
        collection: str,
        dim: int,
        count: int,
        nlist: int,
        calibration: Calibration | None,
    ) -> None:
        """`nlist`: inverted lists; 0: search is exact."""
        self._milvus = milvus
        self._collection = collection
        self._dim = dim
        self._count = count
        self._nlist = nlist
        self._calibration = calibration

    @property
    def count(self) -> int:
        """When it was last written. Milvus may hold a few more, or less."""
        return self._count

    @property
    def nlist(self) -> int:
        return self._nlist

    def search(
        self,
        queries: Embeddings,
        k: int,
        recall: float,
        modality: Modality,
        among: Among | None = None,
    ) -> Hits:
        """At most MOST_HITS. Raises IndexAway."""
        require_unit(queries)
        wanted = min(k, MOST_HITS)
        if self._calibration is None:
            found = self._found(queries, wanted, {}, _expression(among), vectors=False)
            return _padded([_by_distance(hits) for hits in found], k)
        point = point_for(getattr(self._calibration, modality), recall)
        candidates = min(_CANDIDATES_PER_HIT * k, MOST_HITS)
        depth, nprobe = max(point.rerank, candidates), point.nprobe
        if among is not None:
            depth, nprobe = max(depth, LEAST_DEPTH), _FILTERED_WIDER * nprobe
        nprobe = max(nprobe, ceil(depth * self._nlist / max(1, self._count)))
        return self._reranked(queries, k, min(nprobe, self._nlist), min(depth, MOST_HITS), among)

    def candidates(self, queries: Embeddings, depth: int, nprobe: int) -> NDArray[np.int64]:
        """Ids (queries, depth) by compressed scores; −1 where the lists hold fewer."""
        found = self._found(queries, depth, {"nprobe": nprobe}, "", seconds=BUILD_SECONDS)
        return _padded([_by_distance(hits) for hits in found], depth).ids

    def vector_of(self, image_id: int) -> NDArray[np.float32] | None:
        """Raises IndexAway."""
        vectors, _ = self.vectors_of(np.array([image_id], np.int64))
        return vectors[0] if len(vectors) else None

    def row_of(self, image_id: int) -> NDArray[np.float16] | None:  # noqa: ARG002 - the contract's
        """None: nothing is held here, and nothing is asked for it."""
        return None

    def may_hold(self, image_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Any of them, for all that is known here."""
        return np.ones(len(image_ids), bool)

    def vectors_of(
        self, image_ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Raises IndexAway."""
        held: dict[int, Any] = {}
        for start in range(0, len(image_ids), _IDS_AT_ONCE):
            some = image_ids[start : start + _IDS_AT_ONCE].tolist()
            rows = self._milvus.call("query", self._collection, ids=some, output_fields=[VECTOR])
            held |= {row[ID]: row[VECTOR] for row in rows}
        is_held = np.array([image in held for image in image_ids.tolist()], bool)
        found = [held[image] for image in image_ids[is_held].tolist()]
        return np.array(found, np.float32).reshape(len(found), self._dim), is_held

    def _reranked(
        self, queries: Embeddings, k: int, nprobe: int, depth: int, among: Among | None
    ) -> Hits:
        while True:
            asked = {"nprobe": nprobe}
            found = self._found(queries, depth, asked, _expression(among), vectors=True)
            # The lists probed may hold fewer than k: probe on rather than answer short.
            if nprobe >= self._nlist or min(map(len, found)) >= min(k, depth):
                pairs = zip(found, queries, strict=True)
                return _padded([_by_score(hits, query, k) for hits, query in pairs], k)
            nprobe = min(2 * nprobe, self._nlist)

    def _found(
        self,
        queries: Embeddings,
        limit: int,
        params: dict[str, int],
        expression: str,
        *,
        vectors: bool = False,
        seconds: float = SEARCH_SECONDS,
    ) -> list[Any]:
        found = self._milvus.call(
            "search",
            self._collection,
            data=list(queries),
            anns_field=VECTOR,
            limit=limit,
            filter=expression,
            search_params={"metric_type": METRIC, "params": params},
            output_fields=[VECTOR if vectors else ID],
            seconds=seconds,
        )
        return list(found)


def _expression(among: Among | None) -> str:
    assert among is None or isinstance(among, str)  # noqa: S101 - made by MilvusColumns
    return among or ""


_Scored = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Ids and scores, each (n,), best first."""


def _by_distance(hits: Any) -> _Scored:
    return np.array(hits.ids, np.int64), np.array(hits.distances, np.float32)


def _by_score(hits: Any, query: NDArray[np.float32], k: int) -> _Scored:
    ids = np.array(hits.ids, np.int64)
    if not len(ids):
        return ids, np.empty(0, np.float32)
    scores = np.array([hit["entity"][VECTOR] for hit in hits], np.float32) @ query
    best = np.argsort(-scores, kind="stable")[:k]
    return ids[best], scores[best]


def _padded(found: Sequence[_Scored], k: int) -> Hits:
    hits = nothing(len(found), k)
    for number, (ids, scores) in enumerate(found):
        hits.ids[number, : len(ids)] = ids
        hits.scores[number, : len(scores)] = scores
    return hits
