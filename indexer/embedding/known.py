"""What the catalog holds of a collection, as a run over one of its sources sees it.

Asked in groups, never all at once: a collection has millions of images.
"""

from collections.abc import Collection as Some
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, select

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import API_SOURCE, Embedding, Image, Shard, Source
from indexer.embedding.seen_keys import SeenKeys
from indexer.embedding.shards import is_intact
from indexer.layout import CollectionFolder
from indexer.progress import Progress

_AT_ONCE = 10_000
_IN_QUERY = 500


@dataclass(frozen=True, slots=True)
class KnownImage:
    """`content_hash` is None where it does not count: the image is of another source, or has no
    embedding, or a damaged one.
    """

    id: int
    source_id: int
    uri: str
    stamp: str | None
    content_hash: str | None
    attributes: Mapping[str, Any]
    attributes_given: str | None
    """SHA-256 of what the source gave last, see indexer/embedding/rows.py."""
    change_number: int


class Embedded:
    """Which contents of a collection have an embedding of one encoder that can be read."""

    def __init__(
        self, database: Database, collection_id: int, fingerprint: str, damaged_shards: set[int]
    ) -> None:
        self.database = database
        self.collection_id = collection_id
        self.fingerprint = fingerprint
        self.damaged_shards = damaged_shards

    def contents(self, hashes: Some[str]) -> set[str]:
        """Those of the content hashes that have one."""
        wanted, found = list(hashes), set()
        with self.database.read() as session:
            for start in range(0, len(wanted), _IN_QUERY):
                rows = session.execute(
                    select(Embedding.content_hash, Embedding.shard_id).where(
                        Embedding.collection_id == self.collection_id,
                        Embedding.encoder_fingerprint == self.fingerprint,
                        Embedding.content_hash.in_(wanted[start : start + _IN_QUERY]),
                    )
                )
                found |= {row.content_hash for row in rows if self.can_read(row.shard_id)}
        return found

    def can_read(self, shard_id: int | None) -> bool:
        """Whether an embedding is intact that is in that shard, or, with None, in the catalog."""
        return shard_id is None or shard_id not in self.damaged_shards


class Known:
    """With `sole_source` the images of all other sources that can be scanned are on their way
    out.
    """

    def __init__(self, embedded: Embedded, source_uri: str, *, sole_source: bool) -> None:
        self.embedded = embedded
        self.collection_id = embedded.collection_id
        self._database = embedded.database
        self._sole_source = sole_source
        with self._database.write() as session:
            repository.locked_collection(session, self.collection_id)
            self.source_id = repository.source(session, self.collection_id, source_uri).id
        with self._database.read() as session:
            sources = select(Source).where(Source.collection_id == self.collection_id)
            self._sources = {source.id: source.uri for source in session.scalars(sources)}

    def images(self, keys: Sequence[str]) -> dict[str, KnownImage]:
        """Those of the keys that have a row."""
        columns = (
            *(Image.key, Image.id, Image.source_id, Image.uri, Image.stamp, Image.content_hash),
            *(Image.attributes, Image.attributes_given, Image.change_number),
            *(Embedding.shard_id, Embedding.content_hash.label("embedded")),
        )
        rows = (
            self._of_collection(*columns)
            .outerjoin(Embedding, embedding_of(self.embedded.fingerprint))
            .where(Image.key.in_(keys))
        )
        with self._database.read() as session:
            return {row.key: self._image(row) for row in session.execute(rows)}

    def deleted(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that the API deleted."""
        with self._database.read() as session:
            return repository.finally_deleted(session, self.collection_id, keys)

    def holder_of(self, image: KnownImage | None) -> str | None:
        """The other source that the image belongs to, where that bars this one from its key."""
        if image is None or image.source_id == self.source_id:
            return None
        holder = self._sources.get(image.source_id, API_SOURCE)
        return None if self._sole_source and holder != API_SOURCE else holder

    def lost(self, seen: SeenKeys) -> list[int]:
        """Ids of what the source no longer offers."""
        ours = [self.source_id]
        if self._sole_source:
            ours = [source for source, uri in self._sources.items() if uri != API_SOURCE]
        held = self._of_collection(Image.key, Image.id).where(Image.source_id.in_(ours))
        lost: list[int] = []
        with self._database.read() as session:
            rows = session.execute(held.execution_options(yield_per=_AT_ONCE))
            for group in rows.partitions():
                missing = seen.not_kept([row.key for row in group])
                lost += [row.id for row in group if row.key in missing]
        return lost

    def _of_collection(self, *columns: Any) -> Select[Any]:
        return select(*columns).where(Image.collection_id == self.collection_id)

    def _image(self, row: Any) -> KnownImage:
        is_embedded = row.embedded is not None and self.embedded.can_read(row.shard_id)
        counts = row.source_id == self.source_id and is_embedded
        return KnownImage(
            id=row.id,
            source_id=row.source_id,
            uri=row.uri,
            stamp=row.stamp,
            content_hash=row.content_hash if counts else None,
            attributes=row.attributes,
            attributes_given=row.attributes_given,
            change_number=row.change_number,
        )


def embedding_of(fingerprint: str) -> Any:
    """Joins an image with what the encoder `fingerprint` made of its content."""
    return and_(
        Embedding.collection_id == Image.collection_id,
        Embedding.content_hash == Image.content_hash,
        Embedding.encoder_fingerprint == fingerprint,
    )


def read_embedded(
    database: Database,
    collection_id: int,
    folder: CollectionFolder,
    fingerprint: str,
    progress: Progress,
) -> Embedded:
    """Hashes every shard of the encoder `fingerprint`: damage is found before it is built from."""
    with database.read() as session:
        shards = session.execute(
            select(Shard.id, Shard.path, Shard.sha256).where(
                Shard.collection_id == collection_id, Shard.encoder_fingerprint == fingerprint
            )
        ).all()
    progress.start("check", len(shards))
    damaged = set()
    for shard in shards:
        if not is_intact(folder.shards, shard.path, shard.sha256):
            damaged.add(shard.id)
        progress.advance()
    return Embedded(database, collection_id, fingerprint, damaged)
