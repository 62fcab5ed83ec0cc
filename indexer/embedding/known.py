"""What the catalog holds of a collection, as a run over one of its sources sees it.

Asked in groups, never all at once: a collection has millions of images.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Image, Shard, Source
from indexer.embedding.seen_keys import SeenKeys
from indexer.embedding.shards import is_intact
from indexer.errors import CollectionMixed
from indexer.layout import CollectionFolder
from indexer.progress import Progress

_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class KnownImage:
    """`content_hash` is None where it does not count: the image is of another source, or its
    embedding is damaged or another model's.
    """

    id: int
    source_id: int
    uri: str
    stamp: str | None
    content_hash: str | None
    attributes: Mapping[str, Any]


class Known:
    """With `sole_source` the images of all other sources are on their way out."""

    def __init__(
        self,
        database: Database,
        collection_id: int,
        sources: Mapping[int, str],
        source_id: int,
        usable_shards: set[int],
        *,
        sole_source: bool,
    ) -> None:
        self.collection_id = collection_id
        self.source_id = source_id
        self.usable_shards = usable_shards
        """Shards that this encoder made and that are intact; the run adds those it writes."""
        self._database = database
        self._sources = sources
        self._sole_source = sole_source

    def images(self, keys: Sequence[str]) -> dict[str, KnownImage]:
        """Those of the keys that have a row."""
        columns = (
            *(Image.key, Image.id, Image.source_id, Image.uri, Image.stamp),
            *(Image.content_hash, Image.attributes, Image.shard_id),
        )
        with self._database.read() as session:
            rows = session.execute(self._of_collection(*columns).where(Image.key.in_(keys)))
            return {
                row.key: KnownImage(
                    id=row.id,
                    source_id=row.source_id,
                    uri=row.uri,
                    stamp=row.stamp,
                    content_hash=row.content_hash if self._counts(row) else None,
                    attributes=row.attributes,
                )
                for row in rows
            }

    def holder_of(self, image: KnownImage | None) -> str | None:
        """The other source that the image belongs to, where that bars this one from its key."""
        if image is None or image.source_id == self.source_id or self._sole_source:
            return None
        return self._sources[image.source_id]

    def embeddings(self, hashes: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Content hash → shard id and row, of those contents that have an embedding."""
        found = self._of_collection(Image.content_hash, Image.shard_id, Image.shard_row)
        with self._database.read() as session:
            rows = session.execute(found.distinct().where(Image.content_hash.in_(list(hashes))))
            return {
                row.content_hash: (row.shard_id, row.shard_row)
                for row in rows
                if row.shard_id in self.usable_shards
            }

    def require_others_usable(self) -> None:
        """Raises CollectionMixed if images that this run will not see cannot be built from."""
        if self._sole_source:
            return
        with self._database.read() as session:
            pairs = session.execute(self._of_collection(Image.source_id, Image.shard_id).distinct())
            stale = {
                self._sources[pair.source_id]
                for pair in pairs
                if pair.source_id != self.source_id and pair.shard_id not in self.usable_shards
            }
        if stale:
            raise CollectionMixed(
                f"the embeddings of {', '.join(sorted(stale))} are damaged or of another model: "
                "index that source with the collection's model first, or delete the collection"
            )

    def lost(self, seen: SeenKeys) -> list[int]:
        """Ids of what the source no longer offers."""
        held = self._of_collection(Image.key, Image.id)
        if not self._sole_source:
            held = held.where(Image.source_id == self.source_id)
        lost: list[int] = []
        with self._database.read() as session:
            rows = session.execute(held.execution_options(yield_per=_AT_ONCE))
            for group in rows.partitions():
                missing = seen.not_kept([row.key for row in group])
                lost += [row.id for row in group if row.key in missing]
        return lost

    def _of_collection(self, *columns: Any) -> Select[Any]:
        return select(*columns).where(Image.collection_id == self.collection_id)

    def _counts(self, row: Any) -> bool:
        return row.source_id == self.source_id and row.shard_id in self.usable_shards


def read_known(
    database: Database,
    collection_id: int,
    folder: CollectionFolder,
    source_uri: str,
    fingerprint: str,
    progress: Progress,
    *,
    sole_source: bool = False,
) -> Known:
    """Hashes every shard of the encoder `fingerprint`: damage is found before it is built from."""
    with database.write() as session:
        source_id = repository.source(session, collection_id, source_uri).id
    with database.read() as session:
        sources = session.scalars(select(Source).where(Source.collection_id == collection_id))
        uris = {source.id: source.uri for source in sources}
        shards = session.execute(
            select(Shard.id, Shard.path, Shard.sha256).where(
                Shard.collection_id == collection_id, Shard.encoder_fingerprint == fingerprint
            )
        ).all()
    progress.start("check", len(shards))
    usable = set()
    for shard in shards:
        if is_intact(folder.shards, shard.path, shard.sha256):
            usable.add(shard.id)
        progress.advance()
    return Known(database, collection_id, uris, source_id, usable, sole_source=sole_source)
