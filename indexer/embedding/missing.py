"""Images that have no embedding of an encoder: what the API wrote before the collection had that
encoder, and what a damaged shard held.

Their pictures are read again: from where the API put them, or from their source.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Collection as Some
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from indexer.catalog.tables import API_SOURCE, Embedding, Image, Source
from indexer.embedding.encode import BatchEncoder
from indexer.embedding.handover import Idle
from indexer.embedding.known import Embedded, embedding_of
from indexer.embedding.prepare import Preparation, Prepared, Refused
from indexer.embedding.rows import vector_bytes, write_embeddings
from indexer.embedding.run import EmbedOptions, workshop
from indexer.embedding.scan import Candidate
from indexer.embedding.write import Writer
from indexer.errors import CollectionMixed, Rejected, RejectReason, SourceError
from indexer.layout import CollectionFolder
from indexer.lease import Lease
from indexer.live.picture_store import PictureStore
from indexer.pictures.decode import decode
from indexer.progress import Progress
from indexer.sources.base import DISK_READERS, ImageSource, SourceEntry, SourceItem
from models.encoder_pool import EncoderPool
from models.types import Encoder

logger = logging.getLogger(__name__)

_PAGE = 10_000
_IN_QUERY = 500

OpenSource = Callable[[str], ImageSource]
"""From the URI of a source. Raises SourceError."""


class _Lacking(NamedTuple):
    """An image whose content has no embedding; of several, one that the API put."""

    content_hash: str
    key: str
    uri: str
    source: str


@dataclass
class MissingEmbeddings:
    """Remembers what could not be read: that waits outside the index until it can."""

    lease: Lease
    folder: CollectionFolder
    embedded: Embedded
    encoder: Encoder
    pool: EncoderPool
    open_source: OpenSource
    options: EmbedOptions
    after: int = 0
    """Only images count that changed after that change number."""
    given_up: set[str] = field(default_factory=set)
    """Content hashes."""

    def count(self, session: Session) -> int:
        """Without those that were given up."""
        counted = self._lacking(select(func.count(Image.content_hash.distinct())))
        count = session.scalars(counted).one()
        given_up = list(self.given_up)
        for start in range(0, len(given_up), _IN_QUERY):
            some = Image.content_hash.in_(given_up[start : start + _IN_QUERY])
            count -= session.scalars(counted.where(some)).one()
        return int(count)

    def embed(self, progress: Progress) -> int:
        """How many were embedded. Raises CollectionMixed where a source cannot be read at all."""
        with self.embedded.database.read() as session:
            total = self.count(session)
        if not total:
            return 0
        progress.start("catch up", total)
        embedded, last = 0, ""
        while True:
            with self.embedded.database.read() as session:
                page, last = self._page(session, last)
            for source, group in groupby(page, key=lambda one: one.source):
                embedded += self._embed_from(source, list(group), progress)
            if not last:
                return embedded

    def embed_within(self, session: Session) -> None:
        """All of them in the caller's transaction, while nobody else writes: for a few."""
        if not self.count(session):  # quicker than looking for them
            return
        last = ""
        while True:
            page, last = self._page(session, last)
            for one in page:
                self._embed_one(session, one)
            if not last:
                return

    def _embed_one(self, session: Session, one: _Lacking) -> None:
        try:
            data = self._originals(one.source).read(_item(one))
            size_hint = self.encoder.spec.image_size
            picture = decode(data, limits=self.options.limits, min_side_hint=size_hint)
        except (Rejected, SourceError) as error:
            self._give_up(one.content_hash, one.key, error)
            return
        vector = self.pool.submit([self.encoder.to_pixels(picture.image)]).result()[0]
        place = {"vector": vector_bytes(vector)}
        write_embeddings(session, self.embedded, [one.content_hash], [place])

    def _embed_from(self, source: str, lacking: Sequence[_Lacking], progress: Progress) -> int:
        try:
            originals = self._originals(source)
        except SourceError as error:
            raise CollectionMixed(
                f"images of {source} have no embedding of this model, or a damaged one, and it "
                f"cannot be read: {error}"
            ) from error
        shop = workshop(self.encoder, self.pool, originals, self.options)
        writer = Writer(self.lease, self.folder, self.embedded)
        encode, leave = self.pool.submit, shop.room.leave
        batches = BatchEncoder(encode, self.embedded, writer, leave, self.options.batch_size)
        hashes = {one.key: one.content_hash for one in lacking}
        findings = (Candidate(_item(one), None) for one in lacking)
        with writer, Preparation(findings, shop) as outcomes, batches:
            for outcome in outcomes:
                if isinstance(outcome, Prepared):
                    batches.add_content(outcome)
                elif isinstance(outcome, Refused):
                    reject = outcome.reject
                    self._give_up(hashes[reject.key], reject.key, reject.detail)
                    progress.reject(reject.reason)
                    progress.advance()
                elif isinstance(outcome, Idle):
                    batches.flush()
                progress.advance(batches.finished())
            batches.flush()
            progress.advance(batches.finished(wait=True))
        if not batches.embedded and not self._has_embedded(source):
            raise CollectionMixed(
                f"the images of {source} have no embedding of this model, or damaged ones, and no "
                "picture of theirs can be read: is it mounted?"
            )
        return batches.embedded

    def _has_embedded(self, source: str) -> bool:
        of_source = (
            select(Image.id)
            .join(Source, Source.id == Image.source_id)
            .join(Embedding, embedding_of(self.embedded.fingerprint))
            .where(Image.collection_id == self.embedded.collection_id, Source.uri == source)
            .where(
                or_(
                    Embedding.shard_id.is_(None),
                    Embedding.shard_id.not_in(self.embedded.damaged_shards),
                )
            )
        )
        with self.embedded.database.read() as session:
            return session.scalar(of_source.limit(1)) is not None

    def _originals(self, source: str) -> "_Originals":
        if source == API_SOURCE:
            return _Originals(None, PictureStore(self.folder.pictures))
        return _Originals(self.open_source(source), PictureStore(self.folder.pictures))

    def _give_up(self, content_hash: str, key: str, why: object) -> None:
        logger.warning("%r waits outside the index: %s", key, why)
        self.given_up.add(content_hash)

    def _page(self, session: Session, after: str) -> tuple[list[_Lacking], str]:
        """Those among the next images by content hash, grouped by source, and where to go on, if at
        all.
        """
        is_scanned = case((Source.uri == API_SOURCE, 0), else_=1)
        images = (
            select(Image.content_hash, Image.key, Image.uri, Source.uri)
            .join(Source, Source.id == Image.source_id)
            .where(Image.collection_id == self.embedded.collection_id)
            .where(Image.change_number > self.after, Image.content_hash > after)
            .order_by(Image.content_hash, is_scanned, Image.id)
            .limit(_PAGE)
        )
        found = session.execute(images).all()
        first = {row[0]: _Lacking(*row) for row in reversed(found)}
        wanted = first.keys() - self.embedded.contents(first) - self.given_up
        page = [first[content] for content in sorted(wanted)]
        page.sort(key=lambda one: one.source)
        return page, found[-1][0] if len(found) == _PAGE else ""

    def _lacking(self, query: Any) -> Any:
        collection_id, fingerprint = self.embedded.collection_id, self.embedded.fingerprint
        damaged = self.embedded.damaged_shards
        return _lacking(query, collection_id, fingerprint, self.after, damaged)


def count_missing(session: Session, collection_id: int, fingerprint: str, after: int) -> int:
    """Contents without an embedding, of images that changed after that change number."""
    counted = select(func.count(Image.content_hash.distinct()))
    return int(session.scalars(_lacking(counted, collection_id, fingerprint, after, ())).one())


def _lacking(
    query: Any,
    collection_id: int,
    fingerprint: str,
    after: int,
    damaged_shards: Some[int],
) -> Any:
    # A look a row. A join PostgreSQL plans by what it knew before a run embedded a million: that
    # took minutes for 200,000 images.
    readable = (
        select(Embedding.encoder_fingerprint)
        .where(embedding_of(fingerprint))
        .where(or_(Embedding.shard_id.is_(None), Embedding.shard_id.not_in(damaged_shards)))
        .correlate(Image)
        .scalar_subquery()
    )
    return query.where(
        Image.collection_id == collection_id, Image.change_number > after, readable.is_(None)
    )


class _Originals:
    """Pictures as they were when they were indexed: the stamp of an item is its content hash."""

    uri = "originals"

    def __init__(self, source: ImageSource | None, store: PictureStore) -> None:
        self._source = source
        self._store = store
        self.readers = source.readers if source else DISK_READERS

    def count(self) -> None:
        return None

    def __iter__(self) -> Iterator[SourceEntry]:
        return iter(())

    def read(self, item: SourceItem) -> bytes:
        content_hash = item.stamp or ""
        if self._source is None:
            return self._store.read(content_hash)
        data = self._source.read(SourceItem(item.key, item.uri, None))
        if hashlib.sha256(data).hexdigest() != content_hash:
            raise Rejected(RejectReason.UNREADABLE, "it has changed since it was indexed")
        return data


def _item(lacking: _Lacking) -> SourceItem:
    return SourceItem(lacking.key, lacking.uri, lacking.content_hash)
