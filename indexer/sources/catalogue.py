"""A catalogue: a file of rows that names pictures and says what is known of them.

Column `image` is the picture: a path relative to the catalogue, or a URI. Column `id`, where
there is one, is its key; else what `image` says is. Every other column is an attribute.

Of a row that cannot be read not even the key is known. The picture that it names would look
deleted: such a row makes the scan incomplete.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from indexer.attributes import FieldKinds, normalised
from indexer.errors import Rejected, RejectReason, SourceError
from indexer.sources.base import (
    NETWORK_READERS,
    SourceEntry,
    SourceIncomplete,
    SourceItem,
    SourceReject,
    key_from,
)
from indexer.sources.locations import local_path, name_of, scheme_of, suffix_of
from indexer.sources.options import SourceOptions
from indexer.sources.pictures import NamedPictures
from indexer.sources.storage import Storage
from indexer.sources.tables import open_table
from indexer.sources.tables.base import ID, IMAGE, BadRow, Row, Table


class CatalogueSource:
    """An ImageSource over the pictures that the catalogue at `uri` names."""

    def __init__(self, uri: str, options: SourceOptions) -> None:
        self.uri = canonical(uri)
        self._name = name_of(self.uri)
        self._rows = Rows(self.uri, options, {IMAGE})
        self._pictures = NamedPictures(self.uri, options)
        self._says_more = suffix_of(uri).removesuffix(".gz") != ".txt"

    @property
    def readers(self) -> int:
        return NETWORK_READERS  # a local catalogue, too, may name pictures of the web alone

    def count(self) -> int | None:
        return self._rows.count()

    def __iter__(self) -> Iterator[SourceEntry]:
        kinds = FieldKinds()
        unread = 0
        for row in self._rows:
            entry = self._bad(row) if isinstance(row, BadRow) else self._entry(row, kinds)
            unread += isinstance(entry, SourceReject) and entry.reason is RejectReason.BAD_ROW
            yield entry
        if unread:
            yield SourceIncomplete(f"{unread} rows of {self._name} cannot be read")

    def read(self, item: SourceItem) -> bytes:
        return self._pictures.read(item)

    def _entry(self, row: Row, kinds: FieldKinds) -> SourceItem | SourceReject:
        try:
            key, image = key_of(row.cells), _image_of(row.cells)
        except Rejected as rejected:
            return self._bad(BadRow(row.number, rejected.detail))
        if not self._says_more:
            return self._pictures.entry(key, image, None)
        try:
            attributes = normalised(without_names(row.cells))
            kinds.require(attributes)
        except Rejected as rejected:
            return SourceReject(key, rejected.reason, f"row {row.number}: {rejected.detail}")
        return self._pictures.entry(key, image, attributes)

    def _bad(self, row: BadRow) -> SourceReject:
        return SourceReject(f"{self._name}:{row.number}", RejectReason.BAD_ROW, row.detail)


class Rows:
    """The rows of the file at `uri`, read anew each time; one that is not local is copied first.

    Iterating and counting raise SourceError, also where the file has none of the columns
    `needed`.
    """

    def __init__(self, uri: str, options: SourceOptions, needed: set[str]) -> None:
        self._uri = uri
        self._needed = needed
        self._storage = Storage(options)
        self._kept: tuple[str, Table] | None = None
        self._is_local = scheme_of(uri) == "file"

    def count(self) -> int | None:
        if not self._is_local:
            return None
        with self._table() as table:
            return table.count()

    def __iter__(self) -> Iterator[Row | BadRow]:
        with self._table() as table:
            yield from table

    @contextmanager
    def _table(self) -> Iterator[Table]:
        """Kept while the file is the same: a CSV remembers the types of its columns."""
        with self._storage.local_copy(self._uri) as path:
            stamp = _stamp(path)
            if self._kept is None or self._kept[0] != stamp:
                self._kept = (stamp, self._opened(path))
            yield self._kept[1]

    def _opened(self, path: Path) -> Table:
        table = open_table(path, suffix_of(self._uri))
        columns = table.columns()
        if columns is not None and not self._needed & set(columns):
            needed, found = " or ".join(sorted(self._needed)), ", ".join(columns)
            raise SourceError(f"{self._uri} has no column {needed}; it has: {found}")
        return table


def canonical(uri: str) -> str:
    """A path as a file:// URI; any other URI unchanged."""
    return local_path(uri).absolute().as_uri() if scheme_of(uri) == "file" else uri


def key_of(cells: Mapping[str, object]) -> str:
    """The key of a row's picture, NFC. Raises Rejected: bad_row."""
    name, raw = (ID, cells[ID]) if ID in cells else (IMAGE, cells.get(IMAGE))
    if raw is None:
        raise _bad(f"neither {ID!r} nor {IMAGE!r} is filled in")
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise _bad(f"{name!r} is not a text")
    try:
        return key_from(str(raw))
    except Rejected as rejected:
        raise _bad(f"{name!r} cannot be a key: {rejected.detail}") from None


def without_names(cells: Mapping[str, object]) -> dict[str, object]:
    """The cells that are attributes."""
    return {name: value for name, value in cells.items() if name not in {ID, IMAGE}}


def _image_of(cells: Mapping[str, object]) -> str:
    image = cells.get(IMAGE)
    if not isinstance(image, str):
        raise _bad(f"{IMAGE!r} is not the path or URL of a picture")
    try:
        key_from(image)
    except Rejected as rejected:
        raise _bad(f"{IMAGE!r}: {rejected.detail}") from None
    return image


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as error:
        raise SourceError(f"cannot read {str(path)!r}: {error.strerror}") from None
    return f"{path}-{status.st_size}-{status.st_mtime_ns}"


def _bad(detail: str) -> Rejected:
    return Rejected(RejectReason.BAD_ROW, detail)
