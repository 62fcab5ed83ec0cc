"""Attributes from a file of their own, joined to the pictures of any source by key."""

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from indexer.attributes import Attributes, FieldKinds, normalised, require_small
from indexer.errors import Rejected, RejectReason, SourceError
from indexer.sources.base import ImageSource, SourceEntry, SourceItem, SourceReject
from indexer.sources.catalogue import Rows, canonical, key_of, without_names
from indexer.sources.locations import name_of, require_understood, suffix_of
from indexer.sources.options import SourceOptions
from indexer.sources.tables import SUFFIXES
from indexer.sources.tables.base import ID, IMAGE, BadRow, Row

logger = logging.getLogger(__name__)


class WithAttributes:
    """`source`, and of its pictures what the file at `table` says: columns `id` (else `image`)
    and attributes. Where both say something of a field, the table is right; a picture that the
    table does not name stays as the source has it.

    Raises SourceError where `table` is no file of rows.
    """

    def __init__(self, source: ImageSource, table: str, options: SourceOptions) -> None:
        require_understood(table)
        if suffix_of(table) not in SUFFIXES - {".txt", ".txt.gz"}:
            raise SourceError(f"{table!r} is no file of attributes: CSV, JSON Lines or Parquet")
        self._source = source
        self._table = canonical(table)
        self._name = name_of(self._table)
        self._rows = Rows(self._table, options, {ID, IMAGE})

    @property
    def uri(self) -> str:
        return self._source.uri

    @property
    def readers(self) -> int:
        return self._source.readers

    def count(self) -> int | None:
        return self._source.count()

    def __iter__(self) -> Iterator[SourceEntry]:
        """The rows that cannot be used come first, as rejects that are named after the table."""
        kinds = FieldKinds()
        with closing(_Known()) as known:
            for row in self._rows:
                if (reject := self._kept(row, known, kinds)) is not None:
                    yield reject
            for entry in self._source:
                yield _joined(entry, known, kinds) if isinstance(entry, SourceItem) else entry
            if unused := known.unused():
                logger.warning("%s: %d rows name no picture of the source", self._name, unused)

    def read(self, item: SourceItem) -> bytes:
        return self._source.read(item)

    def _kept(self, row: Row | BadRow, known: "_Known", kinds: FieldKinds) -> SourceReject | None:
        name = f"{self._name}:{row.number}"
        if isinstance(row, BadRow):
            return SourceReject(name, RejectReason.BAD_ROW, row.detail)
        try:
            attributes = normalised(without_names(row.cells))
            kinds.require(attributes)
            known.add(key_of(row.cells), attributes)
        except Rejected as rejected:
            # Not under the picture's key: nothing is wrong with the picture.
            return SourceReject(name, rejected.reason, rejected.detail)
        return None


class _Known:
    """Attributes by key, on disk: a table may be larger than memory."""

    def __init__(self) -> None:
        # No name: a file of SQLite's own, without an entry in any folder. Another thread may
        # be the one that ends a scan.
        self._rows = sqlite3.connect("", check_same_thread=False)
        self._rows.execute("PRAGMA journal_mode = OFF")
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute(
            "CREATE TABLE attributes (key TEXT PRIMARY KEY, fields TEXT, used INT) WITHOUT ROWID"
        )

    def close(self) -> None:
        self._rows.close()

    def add(self, key: str, attributes: Attributes) -> None:
        """Raises Rejected: duplicate_key."""
        added = self._rows.execute(
            "INSERT OR IGNORE INTO attributes VALUES (?, ?, 0)", (key, json.dumps(attributes))
        )
        if not added.rowcount:
            raise Rejected(RejectReason.DUPLICATE_KEY, f"another row is of {key!r}")

    def take(self, key: str) -> Attributes | None:
        row = self._rows.execute(
            "UPDATE attributes SET used = 1 WHERE key = ? RETURNING fields", (key,)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def unused(self) -> int:
        count: int
        (count,) = self._rows.execute("SELECT count(*) FROM attributes WHERE NOT used").fetchone()
        return count


def _joined(item: SourceItem, known: _Known, kinds: FieldKinds) -> SourceItem | SourceReject:
    said = known.take(item.key)
    if said is None and item.attributes is None:
        return item
    attributes = {**(item.attributes or {}), **(said or {})}
    try:
        require_small(attributes)
        kinds.require(attributes)
    except Rejected as rejected:
        return SourceReject(item.key, rejected.reason, rejected.detail)
    return replace(item, attributes=attributes)
