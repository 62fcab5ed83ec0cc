"""An indexing run from end to end: embed what changed, build beside the old, publish."""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from indexer.building.build import BuildOptions, BuiltVersion, build_version
from indexer.building.build_input import IndexAims, build_input
from indexer.building.calibrate import shortfall
from indexer.building.index_spec import IndexFamily, choose_spec
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection, IndexVersion
from indexer.embedding.known import Known, read_known
from indexer.embedding.run import EmbedOptions, EmbedRun, EmbedSummary
from indexer.errors import CollectionExists, SourceError, VersionDamaged
from indexer.layout import CollectionFolder
from indexer.progress import Progress
from indexer.sources.base import ImageSource
from indexer.versions.manifest import read_manifest
from indexer.versions.publish import collect_garbage, publish
from indexer.versions.verified import read_verified
from models.encoder_pool import EncoderPool, pool_of
from models.types import Encoder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class IndexSummary:
    images: EmbedSummary
    total: int
    """Images in the collection now."""
    version: str | None
    """The version that serves now; None where there is nothing to search."""
    published: bool
    """False where nothing had changed."""
    factory: str | None

    @property
    def rejected(self) -> Counter[str]:
        return Counter({reason.value: count for reason, count in self.images.rejected.items()})


class Indexing:
    """Indexes sources into the collections of one catalog and data folder."""

    def __init__(
        self,
        database: Database,
        data_dir: Path,
        options: EmbedOptions,
        keep_versions: int,
        build: BuildOptions | None = None,
    ) -> None:
        self._database = database
        self._data_dir = data_dir
        self._options = options
        self._build = build or BuildOptions()
        self._keep_versions = keep_versions

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
        """Index `source` into collection `name`, made where it is new. `recall`, and `family`
        where it is given, become its own as soon as an index that is like that is there.

        With `sole_source`, images of the collection's other sources go. `pool` takes the
        pictures' forward passes off the encoder. Raises SourceError, CollectionBusy,
        CollectionMixed, ModelError, BuildFailed, RecallTooLow; whatever is raised, the version
        that served goes on.
        """
        owner = self._collection(name, encoder, recall)
        aims = IndexAims(recall, family or IndexFamily(owner.index_family))
        folder = CollectionFolder.of(self._data_dir, owner)
        with folder.lock():
            with self._database.read() as session:
                repository.collection(session, name)  # it may have been deleted meanwhile
            collect_garbage(self._database, owner.id, folder, self._keep_versions)
            known = read_known(
                self._database,
                owner.id,
                folder,
                source.uri,
                encoder.spec.fingerprint,
                progress,
                sole_source=sole_source,
            )
            known.require_others_usable()
            images = self._embed(folder, encoder, pool, source, known, progress)
            built = self._build_if_changed(
                owner.id, folder, encoder, known, images.lost, aims, progress
            )
            self._adopt(owner.id, aims)
            if built is not None:
                publish(self._database, owner.id, built, images.lost)
                collect_garbage(self._database, owner.id, folder, self._keep_versions)
        return self._summary(owner.id, images, published=built is not None)

    def _embed(
        self,
        folder: CollectionFolder,
        encoder: Encoder,
        pool: EncoderPool | None,
        source: ImageSource,
        known: Known,
        progress: Progress,
    ) -> EmbedSummary:
        with nullcontext(pool) if pool else pool_of(encoder) as devices:
            return EmbedRun(
                self._database, folder, encoder, devices, source, known, self._options, progress
            ).run()

    def _collection(self, name: str, encoder: Encoder, recall: float) -> Collection:
        with suppress(CollectionExists, IntegrityError), self._database.write() as session:
            repository.add_collection(session, name, encoder.spec.id, encoder.spec, recall)
        with self._database.read() as session:
            return repository.collection(session, name)

    def _adopt(self, collection_id: int, aims: IndexAims) -> None:
        with self._database.write() as session:
            owner = session.get_one(Collection, collection_id)
            owner.recall, owner.index_family = aims.recall, aims.family

    def _build_if_changed(
        self,
        collection_id: int,
        folder: CollectionFolder,
        encoder: Encoder,
        known: Known,
        lost: Sequence[int],
        aims: IndexAims,
        progress: Progress,
    ) -> BuiltVersion | None:
        if lost:
            with self._database.write() as session:
                repository.bump_change_number(session, collection_id)
        with self._database.read() as session:
            owner = session.get_one(Collection, collection_id)
            if (
                _is_current(session, owner, encoder)
                and _is_servable(owner, folder)
                and self._is_as_asked(repository.versions(session, collection_id), folder, aims)
            ):
                return None
            source = build_input(session, owner, folder, encoder, known.usable_shards, lost, aims)
        if not len(source.ids):
            raise SourceError("no image can be read and embedded now: nothing is published")
        return build_version(folder, source, self._build, lambda stage: progress.start(stage, None))

    def _is_as_asked(
        self, versions: Sequence[IndexVersion], folder: CollectionFolder, aims: IndexAims
    ) -> bool:
        """Whether the newest of the versions is of the family and the recall that are asked for;
        also where there is none.
        """
        if not versions:
            return True
        try:
            manifest = read_manifest(folder.version(versions[0].name))
        except VersionDamaged as error:
            logger.warning("building anew: %s", error)
            return False
        spec = choose_spec(manifest.count, manifest.dim, aims.family, self._build.bytes_per_vector)
        missed = manifest.calibration and shortfall(manifest.calibration, aims.recall)
        return manifest.factory == spec.factory and not missed

    def _summary(
        self, collection_id: int, images: EmbedSummary, *, published: bool
    ) -> IndexSummary:
        with self._database.read() as session:
            active = session.get_one(Collection, collection_id).active_version
            total = repository.image_count(session, collection_id)
            return IndexSummary(
                images=images,
                total=total,
                version=active.name if active else None,
                published=published,
                factory=active.factory if active else None,
            )


def _is_current(session: Session, owner: Collection, encoder: Encoder) -> bool:
    """Whether the newest version was made from the images as they are.

    The newest, not the active one: a rollback holds until there is something new to index.
    """
    versions = repository.versions(session, owner.id)
    if not versions:
        return repository.image_count(session, owner.id) == 0
    return (
        versions[0].change_number == owner.change_number
        and versions[0].encoder_fingerprint == encoder.spec.fingerprint
    )


def _is_servable(owner: Collection, folder: CollectionFolder) -> bool:
    """Whether the active version's files are what they should be; also where there is none."""
    if owner.active_version is None:
        return True
    try:
        read_verified(folder.version(owner.active_version.name))
    except VersionDamaged as error:
        logger.warning("building anew: %s", error)
        return False
    return True
