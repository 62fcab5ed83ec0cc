"""What the catalog holds of a collection when a run begins, and what follows from it."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Image, Shard, Source
from indexer.errors import CollectionMixed, RejectReason
from indexer.layout import CollectionFolder
from indexer.shards import is_intact
from indexer.sources.base import SourceItem, SourceReject


@dataclass(frozen=True, slots=True)
class KnownImage:
    """`embedded`: by the encoder of this run, in a shard that is intact."""

    id: int
    source_id: int
    uri: str
    size: int
    mtime_ns: int
    content_hash: str
    embedded: bool


class Known:
    """The images of a collection as a run over one of its sources sees them.

    With `sole_source` the images of all other sources are on their way out.
    """

    def __init__(
        self,
        images: dict[str, KnownImage],
        sources: dict[int, str],
        source_id: int,
        usable_shards: set[int],
        *,
        sole_source: bool,
    ) -> None:
        self.images = images
        self.source_id = source_id
        self.usable_shards = usable_shards
        """Shards that this encoder made and that are intact."""
        self._sources = sources
        self._sole_source = sole_source

    def is_unchanged(self, item: SourceItem) -> bool:
        known = self._mine(item.key)
        return known is not None and (known.uri, known.size, known.mtime_ns) == (
            item.uri,
            item.size,
            item.mtime_ns,
        )

    def hash_of(self, key: str) -> str | None:
        """The content that is embedded under the key."""
        known = self._mine(key)
        return None if known is None else known.content_hash

    def holder_of(self, key: str) -> str | None:
        """The other source whose image has the key."""
        known = self.images.get(key)
        if known is None or known.source_id == self.source_id or self._sole_source:
            return None
        return self._sources[known.source_id]

    def require_others_usable(self) -> None:
        """Raises CollectionMixed if images that this run will not see cannot be built from."""
        if self._sole_source:
            return
        stale = {
            self._sources[known.source_id]
            for known in self.images.values()
            if not known.embedded and known.source_id != self.source_id
        }
        if stale:
            raise CollectionMixed(
                f"the embeddings of {', '.join(sorted(stale))} are damaged or of another model: "
                "index that source with the collection's model first, or delete the collection"
            )

    def lost(self, items: Iterable[SourceItem], rejects: Iterable[SourceReject]) -> list[int]:
        """Ids of what the source no longer offers. What could not be looked at is kept."""
        kept = {item.key for item in items}
        unseen = []
        for reject in rejects:
            kept.discard(reject.key)
            if reject.reason is RejectReason.UNREADABLE:
                unseen.append(reject.key)
        kept.update(unseen)
        below = tuple(key for key in unseen if key.endswith("/"))
        return [
            known.id
            for key, known in self.images.items()
            if (known.source_id == self.source_id and key not in kept and not key.startswith(below))
            or (known.source_id != self.source_id and self._sole_source and key not in kept)
        ]

    def _mine(self, key: str) -> KnownImage | None:
        known = self.images.get(key)
        mine = known is not None and known.embedded and known.source_id == self.source_id
        return known if mine else None


def read_known(
    database: Database,
    collection_id: int,
    folder: CollectionFolder,
    source_uri: str,
    fingerprint: str,
    *,
    sole_source: bool = False,
) -> Known:
    """Hashes every shard of the encoder `fingerprint`: damage is found before it is built from."""
    with database.write() as session:
        source_id = repository.source(session, collection_id, source_uri).id
    with database.read() as session:
        shards = session.scalars(select(Shard).where(Shard.collection_id == collection_id)).all()
    usable = {
        shard.id
        for shard in shards
        if shard.encoder_fingerprint == fingerprint
        and is_intact(folder.shards, shard.path, shard.sha256)
    }
    columns = (
        Image.key,
        Image.id,
        Image.source_id,
        Image.uri,
        Image.file_size,
        Image.mtime_ns,
        Image.content_hash,
        Image.shard_id,
    )
    with database.read() as session:
        sources = session.scalars(select(Source).where(Source.collection_id == collection_id))
        uris = {source.id: source.uri for source in sources}
        rows = session.execute(
            select(*columns)
            .where(Image.collection_id == collection_id)
            .execution_options(yield_per=10_000)
        )
        images = {
            row.key: KnownImage(
                id=row.id,
                source_id=row.source_id,
                uri=row.uri,
                size=row.file_size,
                mtime_ns=row.mtime_ns,
                content_hash=row.content_hash,
                embedded=row.shard_id in usable,
            )
            for row in rows
        }
    return Known(images, uris, source_id, usable, sole_source=sole_source)
