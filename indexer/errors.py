"""The errors of this package.

IndexerError
├── SourceError        a source as a whole cannot be read: nothing may be concluded from it
├── Rejected           one picture cannot be indexed; carries a RejectReason
├── CatalogError       the database cannot be used: unreachable, not migrated, a bad URL
├── UnknownCollection  no collection has that name
├── UnknownVersion     the collection has no such version
├── CollectionExists   the name is taken
├── CollectionBusy     another indexing run holds the collection
├── LeaseLost          this process was silent for too long: another may hold the collection
├── EncoderChanged     the collection has another encoder than an embedding was made for
├── CollectionMixed    images of two encoders, or damaged ones, cannot go into one index
├── BuildFailed        FAISS could not build the index: a full disk, for one
├── IndexAway          Milvus, which holds the vectors, does not answer
├── RecallTooLow       an index misses the recall that its collection asks for
├── VersionDamaged     a version's files are not what its manifest says
├── ClusterFailed      the cluster that embeds cannot be reached, or gave a batch up
├── BadFilter          a filter cannot be read, or does not fit the collection's fields
└── EvaluationError    a labelled folder is not labelled as it should be
"""

from enum import StrEnum

_MAX_DETAIL_CHARACTERS = 200


class RejectReason(StrEnum):
    """Why a picture was left out. Stored and counted: a code never changes its meaning."""

    EMPTY_FILE = "empty_file"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_MANY_PIXELS = "too_many_pixels"
    FILE_TOO_LARGE = "file_too_large"
    UNREADABLE = "unreadable"
    NOT_A_FILE = "not_a_file"
    OUTSIDE_SOURCE = "outside_source"
    UNDECODABLE_NAME = "undecodable_name"
    DUPLICATE_KEY = "duplicate_key"
    KEY_TOO_LONG = "key_too_long"
    BAD_ROW = "bad_row"
    """A row of a catalogue that cannot be read, or names no picture."""
    BAD_ATTRIBUTES = "bad_attributes"
    FETCH_FAILED = "fetch_failed"
    """No answer from the network, or no useful one: another time it may come."""
    ADDRESS_REFUSED = "address_refused"
    """The URL leads to an address that must not be asked: a private one, for one."""
    DELETED = "deleted"
    """It was deleted through the API, and no source brings it back."""
    GONE = "gone"
    """There is no such picture: a server says so with 404 or 410, or a catalogue names a file that
    is not there."""


class IndexerError(Exception):
    """Anything that goes wrong between a source and a published index."""


class SourceError(IndexerError):
    """A source as a whole cannot be read: nothing may be concluded from it."""


class Rejected(IndexerError):
    """One picture cannot be indexed. `detail` is one printable line for the operator."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        self.reason = reason
        self.detail = _one_line(detail)
        super().__init__(reason, self.detail)

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class CatalogError(IndexerError):
    """The database cannot be used: unreachable, not migrated, a bad URL."""


class UnknownCollection(IndexerError):
    """No collection has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no collection {name!r}")


class UnknownVersion(IndexerError):
    """The collection has no such version."""

    def __init__(self, collection: str, version: str) -> None:
        super().__init__(f"collection {collection!r} has no version {version!r}")


class CollectionExists(IndexerError):
    """The name is taken."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a collection {name!r} already")


class CollectionBusy(IndexerError):
    """Another indexing run holds the collection."""


class LeaseLost(IndexerError):
    """This process was silent for too long: another may hold the collection by now."""


class EncoderChanged(IndexerError):
    """The collection has another encoder than an embedding was made for."""


class CollectionMixed(IndexerError):
    """Images of two encoders, or damaged ones, cannot go into one index."""


class BuildFailed(IndexerError):
    """FAISS could not build the index: a full disk, for one."""


class IndexAway(IndexerError):
    """Milvus, which holds the vectors, does not answer, or not as it should."""


class RecallTooLow(IndexerError):
    """An index misses the recall that its collection asks for: it is not published."""

    def __init__(self, modality: str, reached: float, floor: float) -> None:
        super().__init__(
            f"the new index reaches recall@10 {reached:.3f} on {modality} queries, and the "
            f"collection asks for {floor}: it is not published. Allow more bytes a vector "
            "(NOONGIL_INDEX_BYTES_PER_VECTOR), choose another --index, or ask for less --recall"
        )


class VersionDamaged(IndexerError):
    """A version's files are not what its manifest says."""


class ClusterFailed(IndexerError):
    """The cluster that embeds cannot be reached, has too little, or gave a batch up."""


class BadFilter(IndexerError):
    """A filter cannot be read, or does not fit the collection's fields. `where` is the place,
    `filter.price.gte`; `detail` continues it.
    """

    def __init__(self, where: str, detail: str) -> None:
        self.where = _one_line(where)
        self.detail = _one_line(detail)
        super().__init__(f"{self.where} {self.detail}")


class EvaluationError(IndexerError):
    """A labelled folder is not labelled as it should be."""


def _one_line(text: str) -> str:
    head = text[: 2 * _MAX_DETAIL_CHARACTERS].encode("utf-8", "backslashreplace").decode()
    printable = "".join(c if c.isprintable() else " " for c in head)
    line = " ".join(printable.split())
    if len(line) <= _MAX_DETAIL_CHARACTERS:
        return line
    return line[: _MAX_DETAIL_CHARACTERS - 1] + "…"
