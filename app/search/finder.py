"""The plain way: the nearest images are the hits."""

from app.search.page import Page, Ranked, RowsOf, Search, hits_of
from indexer.live.attribute_view import Selection
from indexer.live.nearest import nearest


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
            ranked = self._existing(min(asked, held), rows_of)
            if len(ranked) >= k or asked >= held:
                return ranked[:k]
            asked *= 2
        return []

    @property
    def _held(self) -> int:
        if self._among is not None:
            return self._among.count
        return self._delta.count + (self._version.count if self._version else 0)

    def _existing(self, asked: int, rows_of: RowsOf) -> list[Ranked]:
        search = self._search
        near = nearest(
            self._version,
            self._delta,
            search.query.embedding,
            asked,
            search.recall,
            search.query.modality,
            self._among,
        )
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
