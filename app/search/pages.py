"""From page to page: what a cursor says, and the one for the next page."""

from app.search.cursor import MAX_SHOWN, Cursor
from app.search.errors import CursorExpired, InvalidField
from app.search.page import Page
from app.search.question import Subject, digest_of
from app.search.schemas import SearchRequest
from app.serving.snapshot import Snapshot

_NO_VERSION = 0


def shown_before(request: SearchRequest, subject: Subject, collection: Snapshot) -> frozenset[int]:
    """The images of the pages before. Raises InvalidField, CursorExpired."""
    if request.cursor is None:
        return frozenset()
    try:
        cursor = Cursor.decode(request.cursor)
    except ValueError:
        raise InvalidField("cursor", "is none that an answer had") from None
    if cursor.subject != digest_of(collection.id, subject):
        raise InvalidField("cursor", "belongs to another request")
    if cursor.version_id != _version_of(collection):
        raise CursorExpired
    return cursor.shown


def next_cursor(
    page: Page, shown: frozenset[int], subject: Subject, collection: Snapshot
) -> str | None:
    """None at the end, and where as much was shown as a cursor holds."""
    if not page.has_next or len(shown) + len(page.images) >= MAX_SHOWN:
        return None
    digest = digest_of(collection.id, subject)
    return Cursor(_version_of(collection), digest, shown.union(page.images)).encode()


def _version_of(collection: Snapshot) -> int:
    return collection.segments.version_id or _NO_VERSION
