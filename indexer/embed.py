"""From a source to shards and catalog rows; only what is new or changed is embedded.

Work is committed a shard at a time, the file first and the rows second: a crash loses at
most the shard in hand, and no row is ever without its embedding.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import MAX_KEY, Image, Shard
from indexer.decode import DecodeLimits
from indexer.errors import RejectReason, SourceError
from indexer.known import Known
from indexer.layout import CollectionFolder
from indexer.prepare import Prepared, Preparer, SameContent
from indexer.progress import Progress
from indexer.shards import write_shard
from indexer.sources.base import ImageSource, SourceItem, SourceReject
from models.types import Embeddings, Encoder

_SHARD_ROWS = 4096
_SHARD_SECONDS = 10.0
"""A shard is written when it is full or this old: the most work that a crash can cost."""


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
    lost: list[int] = field(default_factory=list)
    """Ids of images that the source no longer offers. They go when a version without them
    is published: until then the one that serves needs their rows.
    """
    rejects: list[SourceReject] = field(default_factory=list)

    @property
    def removed(self) -> int:
        return len(self.lost)


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
        known: Known,
        options: EmbedOptions,
        progress: Progress,
    ) -> None:
        self._database = database
        self._collection_id = collection_id
        self._folder = folder
        self._encoder = encoder
        self._source = source
        self._known = known
        self._options = options
        self._progress = progress
        self._summary = EmbedSummary()
        self._batch: list[Prepared] = []
        self._rows: list[tuple[Prepared, _Location]] = []
        self._embeddings: list[Embeddings] = []
        self._in_hand: dict[str, int] = {}
        """Content hash → row of the shard in hand."""
        self._touched: list[SourceItem] = []
        self._written_at = time.monotonic()

    def run(self) -> EmbedSummary:
        """Raises SourceError where the source cannot be read, or looks lost."""
        self._progress.start("scan", None)
        items, rejects = self._scan()
        preparer = Preparer(
            self._source,
            self._encoder,
            self._options.limits,
            self._known.hash_of,
            self._options.threads,
        )
        changed = [item for item in items if not self._known.is_unchanged(item)]
        self._summary.unchanged = len(items) - len(changed)
        self._progress.start("embed", len(changed))
        for outcome in preparer.run(changed):
            match outcome:
                case Prepared():
                    self._batch.append(outcome)
                case SameContent(item):
                    self._summary.unchanged += 1
                    self._touched.append(item)
                    self._progress.advance()
                case SourceReject():
                    rejects.append(outcome)
                    self._progress.advance()
            self._work_off()
        self._encode_batch()
        self._write()
        self._summary.rejects = rejects
        self._summary.lost = self._known.lost(items, rejects)
        self._require_not_lost()
        return self._summary

    def _scan(self) -> tuple[list[SourceItem], list[SourceReject]]:
        items: list[SourceItem] = []
        rejects: list[SourceReject] = []
        for entry in self._source:
            if isinstance(entry, SourceReject):
                rejects.append(entry)
            elif len(entry.key.encode()) > MAX_KEY:
                detail = f"the key is longer than {MAX_KEY} bytes"
                rejects.append(SourceReject(entry.key, RejectReason.KEY_TOO_LONG, detail))
            elif holder := self._known.holder_of(entry.key):
                detail = f"{holder} has an image of that key in this collection"
                rejects.append(SourceReject(entry.key, RejectReason.DUPLICATE_KEY, detail))
            else:
                items.append(entry)
        return items, rejects

    def _require_not_lost(self) -> None:
        """A source in which nothing is a picture any more is taken for lost, not for a wish."""
        found = self._summary.embedded + self._summary.shared + self._summary.unchanged
        if self._summary.lost and not found:
            raise SourceError(
                f"{self._source.uri} holds no picture, but {len(self._summary.lost)} images are "
                "in the collection: is it mounted? To drop them, delete the collection"
            )

    def _work_off(self) -> None:
        """Encode a batch that is full, write a shard that is full or old."""
        if len(self._batch) >= self._options.batch_size:
            self._encode_batch()
        age = time.monotonic() - self._written_at
        if len(self._in_hand) >= _SHARD_ROWS or age > _SHARD_SECONDS:
            self._encode_batch()
            self._write()

    def _encode_batch(self) -> None:
        """Give every picture of the batch a location, embedding the content that has none."""
        if not self._batch:
            return
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
        self._progress.advance(len(self._batch))
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
                select(Image.content_hash, Image.shard_id, Image.shard_row)
                .distinct()
                .where(
                    Image.collection_id == self._collection_id,
                    Image.content_hash.in_(wanted - located.keys()),
                )
            )
            for content_hash, shard_id, shard_row in rows:
                if shard_id in self._known.usable_shards:
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
                self._known.usable_shards.add(row.id)
            self._write_rows(session, new_shard_id)
        self._rows, self._embeddings, self._in_hand, self._touched = [], [], {}, []
        self._written_at = time.monotonic()

    def _write_rows(self, session: Session, new_shard_id: int | None) -> None:
        inserts, updates = [], []
        if self._rows:
            change_number = repository.bump_change_number(session, self._collection_id)
        for prepared, location in self._rows:
            values = {
                **_file_columns(prepared.item),
                "source_id": self._known.source_id,
                "content_hash": prepared.content_hash,
                "format": prepared.format,
                "width": prepared.width,
                "height": prepared.height,
                "shard_id": new_shard_id if location.shard_id is None else location.shard_id,
                "shard_row": location.row,
                "change_number": change_number,
            }
            known = self._known.images.get(prepared.item.key)
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
            touched = [
                {"id": self._known.images[item.key].id, **_file_columns(item)}
                for item in self._touched
            ]
            session.execute(update(Image), touched)


def _file_columns(item: SourceItem) -> dict[str, object]:
    return {"uri": item.uri, "file_size": item.size, "mtime_ns": item.mtime_ns}
