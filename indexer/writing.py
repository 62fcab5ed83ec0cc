"""What an indexing run and a rollback share: a collection that one process writes, and the switch
to another of its versions.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from indexer.building.places import BuildOptions
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.embedding.known import Embedded
from indexer.embedding.missing import MissingEmbeddings
from indexer.embedding.run import EmbedOptions
from indexer.layout import CollectionFolder
from indexer.lease import LEASE_SECONDS, Lease, hold
from indexer.progress import Progress
from indexer.sources import source_of
from indexer.sources.base import ImageSource
from indexer.sources.options import SourceOptions
from models.encoder_pool import EncoderPool
from models.types import Encoder


@dataclass(frozen=True)
class IndexingOptions:
    embed: EmbedOptions
    build: BuildOptions = field(default_factory=BuildOptions)
    sources: SourceOptions = field(default_factory=SourceOptions)
    keep_versions: int = 3
    lease_seconds: float = LEASE_SECONDS
    switch_wait_seconds: float = 60.0
    """How long a switch waits for servers to open the version, at most."""


@dataclass(frozen=True)
class Writing:
    """One process that writes one collection."""

    database: Database
    lease: Lease
    folder: CollectionFolder
    options: IndexingOptions
    progress: Progress

    @property
    def collection_id(self) -> int:
        return self.lease.collection_id

    def missing(
        self,
        embedded: Embedded,
        encoder: Encoder,
        pool: EncoderPool,
        sources: Sequence[ImageSource] = (),
        after: int = 0,
    ) -> MissingEmbeddings:
        """`sources`: those that are open already."""
        opened = {source.uri: source for source in sources}

        def open_source(uri: str) -> ImageSource:
            return opened.get(uri) or source_of(uri, options=self.options.sources)

        return MissingEmbeddings(
            lease=self.lease,
            folder=self.folder,
            embedded=embedded,
            encoder=encoder,
            pool=pool,
            open_source=open_source,
            options=self.options.embed,
            after=after,
        )


@contextmanager
def writing(
    database: Database, data_dir: Path, name: str, options: IndexingOptions, progress: Progress
) -> Iterator[Writing]:
    """Raises UnknownCollection, CollectionBusy."""
    with database.read() as session:
        owner = repository.collection(session, name)
    folder = CollectionFolder.of(data_dir, owner)
    with hold(database, owner.id, options.lease_seconds) as lease:
        folder.create()
        yield Writing(database, lease, folder, options, progress)
