"""The plain way: the nearest images are the hits."""

from contextlib import AbstractContextManager

from app.search.page import Page, Ranked, RowsOf, Search, hits_of
from indexer.live.attribute_view import Selection
from indexer.live.nearest import Nearest, nearest
from models.tracing import span


def nearest_page(search: Search, rows_of: RowsOf) -> Page:
    """Blocking where `rows_of` is, or where there is a filter."""
    k = search.k
    ranked = Finder(search).find(k + 1, rows_of)
    hits = hits_of(search, ranked)  # one more than are shown: whether there is a next page
    has_next = len(hits) > k
    del hits[k:]
    images = [row.image_id for row, _, _ in ranked[: len(hits)]]
    return Page(hits, images, has_next)


class Finder:
    """One search of one snapshot."""

    def __init__(self, search: Search) -> None:
        segments = search.collection.segments
        self._search = search
        self._version = segments.version.index if segments.version else None
        self._delta = segments.delta
        self._left_out = search.query.asking | search.shown
        self._among = _selection(search)

    def find(self, k: int, rows_of: RowsOf) -> list[Ranked]:
        """The k best that still exist, best first. An image that was deleted a moment ago is passed
        over; where too many were, the index is asked again, for more.
        """
        asked = k + len(self._left_out)
        held = self._held
        while held:
            wide = min(asked, held)
            with self._span(k, wide):
                near = self._nearest(wide)
            with span("rows", images=len(near.ids)):
                ranked = self._existing(near, rows_of)
            if len(ranked) >= k or len(near.ids) < wide or wide == held:
                return ranked[:k]
            asked *= 2
        return []

    @property
    def _held(self) -> int:
        """At most so many can be found."""
        if self._among is not None:
            return self._among.count
        return self._delta.count + (self._version.count if self._version else 0)

    def _span(self, k: int, candidates: int) -> AbstractContextManager[object]:
        version = self._search.collection.segments.version
        return span(
            "index.search",
            k=k,
            candidates=candidates,
            filter=self._among is not None,
            version=version.name if version else "",
        )

    def _nearest(self, asked: int) -> Nearest:
        search = self._search
        return nearest(
            self._version,
            self._delta,
            search.query.embedding,
            asked,
            search.recall,
            search.query.modality,
            self._among,
        )

    def _existing(self, near: Nearest, rows_of: RowsOf) -> list[Ranked]:
        found = near.ids.tolist()
        rows, left_out = rows_of(found), self._left_out
        columns = zip(found, near.cosines.tolist(), near.regions.tolist(), strict=True)
        return [
            (rows[image], cosine, region)
            for image, cosine, region in columns
            if image in rows and image not in left_out
        ]


def _selection(search: Search) -> Selection | None:
    if search.filter is None:
        return None
    return search.collection.segments.attributes.select(search.filter)
