"""What is to be done about each entry of a source, before any picture is read."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from indexer.attributes import fingerprint_of
from indexer.catalog.tables import MAX_KEY
from indexer.embedding.known import Known, KnownImage
from indexer.embedding.seen_keys import SeenKeys
from indexer.errors import RejectReason
from indexer.sources.base import SourceEntry, SourceIncomplete, SourceItem, SourceReject

STAYS = {RejectReason.UNREADABLE, RejectReason.FETCH_FAILED, RejectReason.ADDRESS_REFUSED}
"""Could not be looked at: what an earlier run found there is not lost."""

_GROUP = 500
_GROUP_BYTES = 8 * 1024 * 1024
"""Entries that are looked up together, and what those among them may weigh that bring their
file along.
"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture to read; `known` is the row that its key has."""

    item: SourceItem
    known: KnownImage | None


@dataclass(frozen=True, slots=True)
class SamePicture:
    """The bytes are what they were; where, when or with which attributes may have changed.
    `size` in bytes, where they were read.
    """

    item: SourceItem
    known: KnownImage
    size: int | None = None

    @property
    def has_new_attributes(self) -> bool:
        """What the source says is not what it said last."""
        if self.item.attributes is None:
            return False
        before = self.known.attributes_given or fingerprint_of(self.known.attributes)
        return fingerprint_of(self.item.attributes) != before

    @property
    def is_as_it_was(self) -> bool:
        file = (self.item.uri, self.item.stamp) == (self.known.uri, self.known.stamp)
        return file and not self.has_new_attributes


@dataclass(frozen=True, slots=True)
class Unchanged:
    """So many pictures that nothing is to be done about."""

    count: int


Finding = Candidate | SamePicture | Unchanged | SourceReject | SourceIncomplete


def scan(source: Iterable[SourceEntry], known: Known, seen: SeenKeys) -> Iterator[Finding]:
    """Lazy; `seen` learns which keys are claimed, and which are not lost though no one can claim
    them. Raises SourceError.
    """
    for group in _groups(source):
        items = []
        for entry in group:
            if not isinstance(entry, SourceItem):
                if isinstance(entry, SourceReject) and entry.reason in STAYS:
                    seen.keep(entry.key)
                yield entry
            elif reject := _bad_key(entry.key):
                yield reject
            else:
                items.append(entry)
        images = known.images([item.key for item in items])
        deleted = known.deleted([item.key for item in items if item.key not in images])
        unchanged = 0
        for item in items:
            if item.key in deleted:
                yield SourceReject(item.key, RejectReason.DELETED, "deleted through the API")
                continue
            finding = _found(item, images.get(item.key), known, seen)
            if finding is None:
                unchanged += 1
            else:
                yield finding
        yield Unchanged(unchanged)


def _found(
    item: SourceItem, image: KnownImage | None, known: Known, seen: SeenKeys
) -> Finding | None:
    """None: nothing to do."""
    if holder := known.holder_of(image):
        detail = f"{holder} has an image of that key in this collection"
        return SourceReject(item.key, RejectReason.DUPLICATE_KEY, detail)
    if not seen.claim(item.key):
        detail = "an earlier entry of the source has that key"
        return SourceReject(item.key, RejectReason.DUPLICATE_KEY, detail)
    is_same = (
        image is not None
        and image.content_hash is not None
        and item.stamp is not None
        and (item.uri, item.stamp) == (image.uri, image.stamp)
    )
    if image is None or not is_same:
        return Candidate(item, image)
    same = SamePicture(replace(item, data=None), image)
    return None if same.is_as_it_was else same


def _bad_key(key: str) -> SourceReject | None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        readable = key.encode("utf-8", "backslashreplace").decode()
        return SourceReject(readable, RejectReason.UNDECODABLE_NAME, "the key is not Unicode")
    if "\0" in key:
        detail = "the key holds a NUL"
        return SourceReject(key.replace("\0", "\\0"), RejectReason.UNDECODABLE_NAME, detail)
    if size > MAX_KEY:
        detail = f"the key is longer than {MAX_KEY} bytes"
        return SourceReject(key, RejectReason.KEY_TOO_LONG, detail)
    return None


def _groups(source: Iterable[SourceEntry]) -> Iterator[Sequence[SourceEntry]]:
    group: list[SourceEntry] = []
    size = 0
    for entry in source:
        group.append(entry)
        if isinstance(entry, SourceItem) and entry.data is not None:
            size += len(entry.data)
        if len(group) == _GROUP or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
