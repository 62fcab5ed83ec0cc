"""One run: scan, embed what is new, build beside the old, switch."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from indexer.backends.opening import require_servable
from indexer.building.build import build_version, place_for, require_possible
from indexer.building.build_input import IndexAims, build_input, count_indexable
from indexer.building.calibrate import shortfall
from indexer.catalog import repository
from indexer.catalog.tables import Collection, IndexVersion
from indexer.embedding.fold import fold
from indexer.embedding.known import Embedded, Known, read_embedded
from indexer.embedding.run import EmbedRun, EmbedSummary
from indexer.errors import IndexAway, SourceError, VersionDamaged
from indexer.live.absorb import absorb, can_absorb
from indexer.sources.base import ImageSource
from indexer.versions.garbage import collect_garbage
from indexer.versions.manifest import read_manifest
from indexer.versions.publish import add_version, switch_to
from indexer.writing import Writing
from models.encoder_pool import EncoderPool
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


@dataclass(frozen=True)
class IndexingRun:
    work: Writing
    encoder: Encoder
    pool: EncoderPool
    aims: IndexAims

    def run(self, sources: Sequence[ImageSource], *, sole_source: bool) -> IndexSummary:
        """Without sources, what changed is absorbed into the active version where that takes it."""
        work, fingerprint = self.work, self.encoder.spec.fingerprint
        require_possible(work.options.build, self.encoder.spec.regions)
        collect_garbage(work)
        embedded = read_embedded(
            work.database, work.collection_id, work.folder, fingerprint, work.progress
        )
        images = EmbedSummary()
        for source in sources:
            images.add(self._embed(source, Known(embedded, source.uri, sole_source=sole_source)))
        missing = work.missing(embedded, self.encoder, self.pool, sources)
        images.embedded += missing.embed(work.progress)
        # What was written meanwhile, too; what is written from now on is in the delta.
        change_number = self._change_number()
        images.embedded += missing.embed(work.progress)
        if not sources and self._is_absorbed(embedded):
            self._adopt(None)
            return self._summary(images, published=True)
        version = self._version(embedded, images.lost, change_number)
        self._adopt(version)
        if version is not None:
            missing.after = version.change_number
            switch_to(work, version, missing, images.lost)
            collect_garbage(work)
        return self._summary(images, published=version is not None)

    def _embed(self, source: ImageSource, known: Known) -> EmbedSummary:
        work = self.work
        return EmbedRun(
            work.lease,
            work.folder,
            self.encoder,
            self.pool,
            source,
            known,
            work.options.embed,
            work.progress,
        ).run()

    def _change_number(self) -> int:
        with self.work.database.read() as session:
            return session.get_one(Collection, self.work.collection_id).change_number

    def _version(
        self, embedded: Embedded, lost: Sequence[int], change_number: int
    ) -> IndexVersion | None:
        """The version to switch to; None where the active one may stay."""
        work = self.work
        with work.database.read() as session:
            owner = session.get_one(Collection, work.collection_id)
            newest = next(iter(repository.versions(session, owner.id)), None)
            nothing_new = not lost and self._is_current(session, owner, newest, embedded)
            if nothing_new and _is_servable(owner, work) and self._is_as_asked(newest):
                return newest if newest and newest.id == owner.next_version_id else None
        return self._build(embedded, lost, change_number)

    def _is_absorbed(self, embedded: Embedded) -> bool:
        """Whether the active version holds by now what changed beside it, and all that waited."""
        work = self.work
        with work.database.read() as session:
            owner = session.get_one(Collection, work.collection_id)
            newest = next(iter(repository.versions(session, owner.id)), None)
            if newest is None or not can_absorb(work, owner, newest):
                return False
            if not (_is_servable(owner, work) and self._is_as_asked(newest)):
                return False
        if newest.encoder_fingerprint != embedded.fingerprint:
            return False
        fold(embedded, work.folder, work.lease)
        if not absorb(work, newest):
            return False
        with work.database.read() as session:
            absorbed = session.get_one(IndexVersion, newest.id)
            until = absorbed.change_number
            return absorbed.count >= count_indexable(session, embedded, until)

    def _build(self, embedded: Embedded, lost: Sequence[int], change_number: int) -> IndexVersion:
        """`change_number`: all that changed until then, and can be embedded, is embedded."""
        work = self.work
        fold(embedded, work.folder, work.lease)
        with work.database.read() as session:
            gone = repository.not_of_api(session, lost)
            source = build_input(
                session, work.folder, self.encoder, embedded, gone, change_number, self.aims
            )
            is_empty = repository.image_count(session, work.collection_id) == 0
        if not len(source.ids) and not is_empty:
            raise SourceError("no image can be read and embedded now: nothing is published")
        built = build_version(
            work.folder, source, work.options.build, lambda stage: work.progress.start(stage, None)
        )
        return add_version(work, built)

    def _is_current(
        self,
        session: Session,
        owner: Collection,
        newest: IndexVersion | None,
        embedded: Embedded,
    ) -> bool:
        """Whether the newest version was made from the images as they are, and none that waited
        outside can be read by now.

        The newest, not the active one: a rollback holds until there is something new to index.
        """
        if newest is None:
            return repository.image_count(session, owner.id) == 0
        return (
            newest.change_number == owner.change_number
            and newest.encoder_fingerprint == self.encoder.spec.fingerprint
            and newest.count >= count_indexable(session, embedded)
        )

    def _is_as_asked(self, newest: IndexVersion | None) -> bool:
        """Whether it is of the family and the recall that are asked for, with its attributes; also
        where it is None.
        """
        if newest is None:
            return True
        try:
            manifest = read_manifest(self.work.folder.version(newest.name))
        except VersionDamaged as error:
            logger.warning("building anew: %s", error)
            return False
        place = place_for(self.work.folder, newest.name, self.work.options.build)
        vectors = manifest.regions * manifest.count
        factory = place.factory(vectors, manifest.dim, self.aims.family)
        missed = manifest.calibration and shortfall(manifest.calibration, self.aims.recall)
        has_columns = manifest.fields is not None
        return manifest.factory == factory and not missed and has_columns

    def _adopt(self, version: IndexVersion | None) -> None:
        with self.work.database.write() as session:
            owner = self.work.lease.guard(session)
            owner.recall, owner.index_family = self.aims.recall, self.aims.family
            if version is None and owner.next_version_id is not None:  # a rollback was given up
                owner.next_version_id = None
                repository.announce_change(session)

    def _summary(self, images: EmbedSummary, *, published: bool) -> IndexSummary:
        with self.work.database.read() as session:
            owner = session.get_one(Collection, self.work.collection_id)
            active = owner.active_version
            return IndexSummary(
                images=images,
                total=repository.image_count(session, owner.id),
                version=active.name if active else None,
                published=published,
                factory=active.factory if active else None,
            )


def _is_servable(owner: Collection, work: Writing) -> bool:
    """Whether the active version is what it should be; also where there is none. Raises IndexAway:
    what Milvus does not show just now is not to be built anew.
    """
    if owner.active_version is None:
        return True
    milvus = work.options.build.milvus
    try:
        folder = work.folder.version(owner.active_version.name)
        require_servable(folder, owner.active_version.count, milvus)
    except (VersionDamaged, IndexAway) as error:
        if isinstance(error, IndexAway) and milvus is not None:
            raise
        logger.warning("building anew: %s", error)
        return False
    return True
