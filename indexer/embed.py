"""From a source to shards and catalog rows; only what is new or changed is embedded.

Work is committed a shard at a time, the file first and the rows second: a crash loses at
most the shard in hand, and no row is ever without its embedding.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import MAX_KEY, Image, Shard
from indexer.decode import DecodeLimits
from indexer.errors import RejectReason, SourceError
from indexer.layout import CollectionFolder
from indexer.prepare import Prepared, Preparer, SameContent
from indexer.progress import Progress
from indexer.shards import is_intact, write_shard
from indexer.sources.base import ImageSource, SourceItem, SourceReject
from models.types import Embeddings, Encoder

_SHARD_ROWS = 4096
_SHARD_SECONDS = 10.0
"""A shard is written when it is full or this old: the most work that a crash can cost."""
_DELETE_CHUNK = 500


@dataclass(frozen=True)
class EmbedOptions:
    limits: DecodeLimits
    threads: int = 0
    """Decode threads; 0: one a core."""
    batch_size: int = 32


@dataclass
class EmbedSummary:
    embedded: int = 0
    shared: int = 0
    """New or changed pictures whose content had an embedding already."""
    unchanged: int = 0
    removed: int = 0
    rejects: list[SourceReject] = field(default_factory=list)


@dataclass(frozen=True)
class _Known:
    """What the catalog holds under a key. `embedded`: by this encoder, in an intact shard."""

    id: int
    source_id: int
    size: int
    mtime_ns: int
    content_hash: str
    embedded: bool


@dataclass(frozen=True)
class _Location:
    """Row of a shard; without a shard, of the one in hand."""

    shard_id: int | None
    row: int


class EmbedRun:
    """One pass over one source. The caller holds the collection's lock."""

    def __init__(
        self,
        database: Database,
        collection_id: int,
        folder: CollectionFolder,
        encoder: Encoder,
        source: ImageSource,
        options: EmbedOptions,
        progress: Progress,
    ) -> None:
        self._database = database
        self._collection_id = collection_id
        self._folder = folder
        self._encoder = encoder
        self._source = source
        self._options = options
        self._progress = progress
        self._summary = EmbedSummary()
        self._batch: list[Prepared] = []
        self._rows: list[tuple[Prepared, _Location]] = []
        self._embeddings: list[Embeddings] = []
        self._in_hand: dict[str, int] = {}
        """Content hash → row of the shard in hand."""
        self._touched: list[tuple[int, int]] = []
        self._written_at = time.monotonic()

    def run(self) -> EmbedSummary:
        """Raises SourceError where the source cannot be read, or looks lost."""
        with self._database.write() as session:
            self._source_id = repository.source(session, self._collection_id, self._source.uri).id
            self._known = self._read_known(session)
        self._progress.start("scan", None)
        items, rejects = self._scan()
        preparer = Preparer(
            self._source,
            self._encoder,
            self._options.limits,
            self._known_hash,
            self._options.threads,
        )
        changed = [item for item in items if not self._is_unchanged(item)]
        self._summary.unchanged = len(items) - len(changed)
        self._progress.start("embed", len(changed))
        for outcome in preparer.run(changed):
            match outcome:
                case Prepared():
                    self._add(outcome)
                case SameContent(item):
                    self._summary.unchanged += 1
                    self._touched.append((self._known[item.key].id, item.mtime_ns))
                case SourceReject():
                    rejects.append(outcome)
            self._progress.advance()
        self._encode_batch()
        self._write()
        self._summary.rejects = rejects
        self._remove_lost(items, rejects)
        return self._summary

    def _read_known(self, session: Session) -> dict[str, _Known]:
        fingerprint = self._encoder.spec.fingerprint
        shards = session.scalars(select(Shard).where(Shard.collection_id == self._collection_id))
        usable = {
            shard.id
            for shard in shards
            if shard.encoder_fingerprint == fingerprint
            and is_intact(self._folder.shards, shard.path, shard.sha256)
        }
        self._usable_shards = usable
        rows = session.execute(
            select(
                Image.key,
                Image.id,
                Image.source_id,
                Image.file_size,
                Image.mtime_ns,
                Image.content_hash,
                Image.shard_id,
            ).where(Image.collection_id == self._collection_id)
        )
        return {
            row.key: _Known(
                id=row.id,
                source_id=row.source_id,
                size=row.file_size,
                mtime_ns=row.mtime_ns,
                content_hash=row.content_hash,
                embedded=row.shard_id in usable,
            )
            for row in rows
        }

    def _scan(self) -> tuple[list[SourceItem], list[SourceReject]]:
        items: list[SourceItem] = []
        rejects: list[SourceReject] = []
        for entry in self._source:
            if isinstance(entry, SourceReject):
                rejects.append(entry)
            elif len(entry.key.encode()) > MAX_KEY:
                detail = f"the key is longer than {MAX_KEY} bytes"
                rejects.append(SourceReject(entry.key, RejectReason.KEY_TOO_LONG, detail))
            else:
                items.append(entry)
        mine = sum(known.source_id == self._source_id for known in self._known.values())
        if mine and not items and not rejects:
            raise SourceError(
                f"{self._source.uri} is empty, but {mine} images came from it: is it mounted? "
                "To drop them, delete the collection"
            )
        return items, rejects

    def _is_unchanged(self, item: SourceItem) -> bool:
        known = self._known.get(item.key)
        return (
            known is not None
            and known.embedded
            and known.source_id == self._source_id
            and (known.size, known.mtime_ns) == (item.size, item.mtime_ns)
        )

    def _known_hash(self, key: str) -> str | None:
        known = self._known.get(key)
        mine = known is not None and known.embedded and known.source_id == self._source_id
        return known.content_hash if known and mine else None

    def _add(self, prepared: Prepared) -> None:
        self._batch.append(prepared)
        if len(self._batch) < self._options.batch_size:
            return
        self._encode_batch()
        age = time.monotonic() - self._written_at
        if len(self._in_hand) >= _SHARD_ROWS or age > _SHARD_SECONDS:
            self._write()

    def _encode_batch(self) -> None:
        """Give every picture of the batch a location, embedding the content that has none."""
        located = self._locations(prepared.content_hash for prepared in self._batch)
        fresh: list[Prepared] = []
        for prepared in self._batch:
            if prepared.content_hash not in located:
                located[prepared.content_hash] = _Location(None, len(self._in_hand))
                self._in_hand[prepared.content_hash] = len(self._in_hand)
                fresh.append(prepared)
        if fresh:
            pixels = [prepared.pixels for prepared in fresh]
            self._embeddings.append(self._encoder.encode_pixels(pixels))
        self._rows += [(prepared, located[prepared.content_hash]) for prepared in self._batch]
        self._summary.embedded += len(fresh)
        self._summary.shared += len(self._batch) - len(fresh)
        self._batch = []

    def _locations(self, hashes: Iterable[str]) -> dict[str, _Location]:
        """Of those contents that have an embedding, in the shard in hand or in the catalog."""
        wanted = set(hashes)
        located = {
            content_hash: _Location(None, self._in_hand[content_hash])
            for content_hash in wanted & self._in_hand.keys()
        }
        with self._database.read() as session:
            rows = session.execute(
                select(Image.content_hash, Image.shard_id, Image.shard_row).where(
                    Image.collection_id == self._collection_id,
                    Image.content_hash.in_(wanted - located.keys()),
                )
            )
            for content_hash, shard_id, shard_row in rows:
                if shard_id in self._usable_shards:
                    located[content_hash] = _Location(shard_id, shard_row)
        return located

    def _write(self) -> None:
        """Make the work in hand durable: one shard, one transaction."""
        if not self._rows and not self._touched:
            return
        shard = None
        if self._embeddings:
            shard = write_shard(self._folder.shards, np.concatenate(self._embeddings))
        with self._database.write() as session:
            new_shard_id = None
            if shard is not None:
                row = Shard(
                    collection_id=self._collection_id,
                    path=shard.path,
                    encoder_fingerprint=self._encoder.spec.fingerprint,
                    rows=shard.rows,
                    sha256=shard.sha256,
                )
                session.add(row)
                session.flush()
                new_shard_id = row.id
                self._usable_shards.add(row.id)
            self._write_rows(session, new_shard_id)
        self._rows, self._embeddings, self._in_hand, self._touched = [], [], {}, []
        self._written_at = time.monotonic()

    def _write_rows(self, session: Session, new_shard_id: int | None) -> None:
        inserts, updates = [], []
        if self._rows:
            change_number = repository.bump_change_number(session, self._collection_id)
        for prepared, location in self._rows:
            values = {
                "source_id": self._source_id,
                "uri": prepared.item.uri,
                "file_size": prepared.item.size,
                "mtime_ns": prepared.item.mtime_ns,
                "content_hash": prepared.content_hash,
                "format": prepared.format,
                "width": prepared.width,
                "height": prepared.height,
                "shard_id": new_shard_id if location.shard_id is None else location.shard_id,
                "shard_row": location.row,
                "change_number": change_number,
            }
            known = self._known.get(prepared.item.key)
            if known is None:
                key = prepared.item.key
                inserts.append({"collection_id": self._collection_id, "key": key, **values})
            else:
                updates.append({"id": known.id, **values})
        if inserts:
            session.execute(insert(Image), inserts)
        if updates:
            session.execute(update(Image), updates)
        if self._touched:
            touched = [{"id": key, "mtime_ns": mtime} for key, mtime in self._touched]
            session.execute(update(Image), touched)

    def _remove_lost(self, items: list[SourceItem], rejects: list[SourceReject]) -> None:
        """Forget what the source no longer offers. What could not be looked at is kept."""
        kept = {item.key for item in items}
        kept -= {reject.key for reject in rejects}
        unseen = tuple(r.key for r in rejects if r.reason is RejectReason.UNREADABLE)
        below = tuple(key for key in unseen if key.endswith("/"))
        kept.update(unseen)
        lost = [
            known.id
            for key, known in self._known.items()
            if known.source_id == self._source_id and key not in kept and not key.startswith(below)
        ]
        if not lost:
            return
        with self._database.write() as session:
            repository.bump_change_number(session, self._collection_id)
            for start in range(0, len(lost), _DELETE_CHUNK):
                chunk = lost[start : start + _DELETE_CHUNK]
                session.execute(delete(Image).where(Image.id.in_(chunk)))
        self._summary.removed = len(lost)
