"""The page of a search whose hits are chosen from its candidates: sorted, grouped, collapsed,
diverse, counted.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from app.search.candidates import Candidates, candidates_of, likeness_vectors, unit_vectors
from app.search.facets import count_facets
from app.search.page import Page, RowsOf, Search, hits_of
from app.search.reranking import Pick, Reranking, Rules
from app.search.response import Group, Hit, Scalar
from app.search.rows import Row
from app.search.schemas import SortBy
from indexer.live.attribute_view import AttributeView

DUPLICATE_COSINE = 0.985
"""From here on two images count as the same picture: docs/decisions/0016-ranking.md."""


def ranked_page(search: Search, rows_of: RowsOf) -> Page:
    """Blocking. An image that was deleted a moment ago stands for no other: without it, all is
    chosen anew.
    """
    candidates = candidates_of(search, search.filter)
    facets = count_facets(search, candidates)
    if search.request.sort is not None:
        view = search.collection.segments.attributes
        candidates = candidates.at(_sorted(view, candidates.ids, search.request.sort))
    while True:
        choice = _Choice(search, candidates)
        picks = choice.picks(search.k)
        images = [int(candidates.ids[pick.place]) for pick in picks]
        rows = rows_of(images)
        if len(rows) == len(images):
            hits = choice.hits(picks, rows)
            return Page(hits, images, choice.has_more, facets)
        gone = [image for image in images if image not in rows]
        candidates = candidates.at(np.flatnonzero(~np.isin(candidates.ids, gone)))


class _Choice:
    """Of hits from candidates, in their order, after those of the pages before."""

    def __init__(self, search: Search, candidates: Candidates) -> None:
        self._search = search
        self._candidates = candidates
        shown = np.array(sorted(search.shown), np.int64)
        self._grouping = _grouping(search, candidates.ids, shown)
        self._reranking = self._begun(shown)

    @property
    def has_more(self) -> bool:
        return self._reranking.has_more

    def picks(self, k: int) -> list[Pick]:
        return self._reranking.take(k)

    def hits(self, picks: list[Pick], rows: Mapping[int, Row]) -> list[Hit]:
        request, candidates = self._search.request, self._candidates
        ranked = [
            (
                rows[int(candidates.ids[pick.place])],
                float(candidates.cosines[pick.place]),
                int(candidates.regions[pick.place]),
            )
            for pick in picks
        ]
        hits = hits_of(self._search, ranked)
        for hit, pick in zip(hits, picks, strict=True):
            if request.group_by is not None:
                hit.group = Group(self._grouping.values[pick.place], pick.in_group)
            if request.collapse_duplicates:
                hit.duplicates = pick.duplicates
        return hits

    def _begun(self, shown: NDArray[np.int64]) -> Reranking:
        request, segments = self._search.request, self._search.collection.segments
        compared = request.collapse_duplicates or request.diversity > 0
        candidates = self._candidates
        vectors = likeness_vectors(segments.delta, candidates.ids) if compared else None
        rules = Rules(
            request.diversity,
            segments.backgrounds.image,
            DUPLICATE_COSINE if request.collapse_duplicates else None,
        )
        grouping = self._grouping
        reranking = Reranking(candidates.relevances, grouping.numbers, vectors, rules)
        if len(shown):
            if compared:
                reranking.begin_after(unit_vectors(segments.delta, shown))
            reranking.leave_out(np.isin(candidates.ids, shown))
            reranking.leave_out(np.isin(grouping.numbers, grouping.shown))
        return reranking


class _Grouping(NamedTuple):
    values: list[Scalar | None]
    """Of the candidates (n,)."""
    numbers: NDArray[np.int64]
    """Shape (n,): equal where the values are. Images without the field are groups each."""
    shown: list[int]
    """Groups that were shown."""


def _grouping(search: Search, ids: NDArray[np.int64], shown: NDArray[np.int64]) -> _Grouping:
    name = search.request.group_by
    if name is None:
        return _Grouping([], np.arange(len(ids)), [])
    view = search.collection.segments.attributes
    values = cast("list[Scalar | None]", view.values(np.concatenate([ids, shown]), name))
    numbers = [*_numbered(values)]
    return _Grouping(
        values[: len(ids)], np.array(numbers[: len(ids)], np.int64), numbers[len(ids) :]
    )


def _numbered(values: list[Scalar | None]) -> Iterator[int]:
    known: dict[Scalar, int] = {}
    for number, value in enumerate(values):
        yield number if value is None else known.setdefault(value, number)


def _sorted(view: AttributeView, ids: NDArray[np.int64], sort: SortBy) -> NDArray[np.int64]:
    """Shape (n,): places in order; of equals the nearer first, those without the field last."""
    values = view.values(ids, sort.field)
    present = [place for place, value in enumerate(values) if value is not None]
    absent = [place for place, value in enumerate(values) if value is None]
    present.sort(key=lambda place: cast("Any", values[place]), reverse=sort.order == "desc")
    return np.array(present + absent, np.int64)
