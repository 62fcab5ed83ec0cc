"""Indexing from end to end: what commands and jobs call."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from indexer import activation
from indexer.building.build_input import IndexAims
from indexer.building.index_spec import IndexFamily
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.errors import CollectionExists
from indexer.indexing_run import IndexingRun, IndexSummary
from indexer.progress import Progress
from indexer.sources.base import ImageSource
from indexer.writing import IndexingOptions, writing
from models.encoder_pool import EncoderPool, pool_of
from models.types import Encoder


class Indexing:
    """Indexes sources into the collections of one catalog and data folder."""

    def __init__(self, database: Database, data_dir: Path, options: IndexingOptions) -> None:
        self._database = database
        self._data_dir = data_dir
        self._options = options

    def run(
        self,
        name: str,
        source: ImageSource,
        encoder: Encoder,
        progress: Progress,
        *,
        recall: float,
        sole_source: bool = False,
        family: IndexFamily | None = None,
        pool: EncoderPool | None = None,
    ) -> IndexSummary:
        """Index `source` into collection `name`, made where it is new; the rest as `reindex`."""
        with suppress(CollectionExists, IntegrityError), self._database.write() as session:
            repository.add_collection(session, name, encoder.spec.id, encoder.spec, recall)
        return self.reindex(
            name,
            encoder,
            progress,
            sources=[source],
            recall=recall,
            sole_source=sole_source,
            family=family,
            pool=pool,
        )

    def reindex(
        self,
        name: str,
        encoder: Encoder,
        progress: Progress,
        *,
        sources: Sequence[ImageSource],
        recall: float | None = None,
        sole_source: bool = False,
        family: IndexFamily | None = None,
        pool: EncoderPool | None = None,
    ) -> IndexSummary:
        """Scan the sources, embed what has no embedding of `encoder`, publish a new version.

        `recall` and `family`, where they are given, become the collection's as soon as an index
        that is like that is there. `sole_source` is for one source: images of the collection's
        others go, but for the API's. `pool` takes the pictures' forward passes off the encoder.

        Raises UnknownCollection, SourceError, CollectionBusy, LeaseLost, CollectionMixed,
        ModelError, BuildFailed, RecallTooLow; whatever is raised, the version that served goes on.
        """
        with (
            writing(self._database, self._data_dir, name, self._options, progress) as work,
            nullcontext(pool) if pool else pool_of(encoder) as devices,
        ):
            run = IndexingRun(work, encoder, devices, self._aims(name, recall, family))
            return run.run(sources, sole_source=sole_source)

    def activate(
        self, name: str, version: str, encoder_of: Callable[[str], Encoder], progress: Progress
    ) -> None:
        """Serve another version of the collection, with its encoder and all that was written since.

        What it lacks is embedded first. Raises UnknownCollection, UnknownVersion, CollectionBusy;
        VersionDamaged before anything is switched; LeaseLost, ModelError, CollectionMixed.
        """
        with writing(self._database, self._data_dir, name, self._options, progress) as work:
            activation.activate(work, version, encoder_of)

    def can_activate_at_once(self, name: str, version: str) -> bool:
        """Whether nothing is to be embedded first. Raises UnknownCollection, UnknownVersion."""
        return activation.is_complete(self._database, name, version)

    def _aims(self, name: str, recall: float | None, family: IndexFamily | None) -> IndexAims:
        with self._database.read() as session:
            owner = repository.collection(session, name)
        return IndexAims(recall or owner.recall, family or IndexFamily(owner.index_family))
