"""An indexing run from end to end: embed what changed, build beside the old, publish."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from indexer.build import CHUNK, BuildInput, BuiltVersion, build_version
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection, Image, Shard
from indexer.embed import EmbedOptions, EmbedRun, EmbedSummary
from indexer.errors import CollectionExists, VersionDamaged
from indexer.known import Known, read_known
from indexer.layout import CollectionFolder
from indexer.manifest import read_verified
from indexer.progress import Progress
from indexer.publish import collect_garbage, publish
from indexer.shards import read_shard
from indexer.sources.base import ImageSource
from models.encoding import encode_texts
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
        return Counter(reject.reason.value for reject in self.images.rejects)


class Indexing:
    """Indexes sources into the collections of one catalog and data folder."""

    def __init__(
        self, database: Database, data_dir: Path, options: EmbedOptions, keep_versions: int
    ) -> None:
        self._database = database
        self._data_dir = data_dir
        self._options = options
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
    ) -> IndexSummary:
        """Index `source` into collection `name`, made where it is new; `recall` becomes its own.

        With `sole_source`, images of the collection's other sources go. Raises SourceError,
        CollectionBusy, CollectionMixed, BuildFailed; whatever is raised, the version that
        served goes on.
        """
        owner = self._collection(name, encoder, recall)
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
                sole_source=sole_source,
            )
            known.require_others_usable()
            images = EmbedRun(
                self._database, owner.id, folder, encoder, source, known, self._options, progress
            ).run()
            built = self._build_if_changed(owner.id, folder, encoder, known, images.lost, progress)
            if built is not None:
                publish(self._database, owner.id, built, images.lost)
                collect_garbage(self._database, owner.id, folder, self._keep_versions)
        return self._summary(owner.id, images, published=built is not None)

    def _collection(self, name: str, encoder: Encoder, recall: float) -> Collection:
        try:
            with self._database.write() as session:
                return repository.add_collection(
                    session, name, encoder.spec.id, encoder.spec, recall
                )
        except (CollectionExists, IntegrityError):
            with self._database.write() as session:
                found = repository.collection(session, name)
                found.recall = recall
                return found

    def _build_if_changed(
        self,
        collection_id: int,
        folder: CollectionFolder,
        encoder: Encoder,
        known: Known,
        lost: Sequence[int],
        progress: Progress,
    ) -> BuiltVersion | None:
        if lost:
            with self._database.write() as session:
                repository.bump_change_number(session, collection_id)
        with self._database.read() as session:
            owner = session.get_one(Collection, collection_id)
            if _is_current(session, owner, encoder) and _is_servable(owner, folder):
                return None
            placements = _placements(session, collection_id, known.usable_shards, lost)
            paths = _paths(session, collection_id)
        source = BuildInput(
            model=encoder.spec.id,
            encoder_fingerprint=encoder.spec.fingerprint,
            dim=encoder.spec.dim,
            change_number=owner.change_number,
            ids=placements.ids,
            chunks=lambda: _chunks(folder, paths, placements, encoder.spec.dim),
            encode_texts=lambda texts: encode_texts(encoder, texts),
        )
        return build_version(folder, source, lambda stage: progress.start(stage, None))

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


@dataclass(frozen=True)
class _Placements:
    """Of the images that a version will hold, each (count,), in ascending id order."""

    ids: NDArray[np.int64]
    shards: NDArray[np.int64]
    rows: NDArray[np.int64]


def _placements(
    session: Session, collection_id: int, usable_shards: set[int], lost: Sequence[int]
) -> _Placements:
    """All but the lost. An image that could not be read, and whose embedding is damaged or of
    another model, keeps its row and waits outside the index until it can.
    """
    found = session.execute(
        select(Image.id, Image.shard_id, Image.shard_row)
        .where(Image.collection_id == collection_id)
        .order_by(Image.id)
        .execution_options(yield_per=10_000)
    )
    flat = np.fromiter((number for row in found for number in row), np.int64)
    ids, shards, rows = flat.reshape(-1, 3).T.copy()
    usable = np.isin(shards, list(usable_shards))
    present = ~np.isin(ids, lost)
    if waiting := np.count_nonzero(present & ~usable):
        logger.warning("%d unreadable images wait outside the index", waiting)
    kept = present & usable
    return _Placements(ids[kept], shards[kept], rows[kept])


def _paths(session: Session, collection_id: int) -> dict[int, str]:
    rows = session.execute(select(Shard.id, Shard.path).where(Shard.collection_id == collection_id))
    return {row.id: row.path for row in rows}


def _chunks(
    folder: CollectionFolder, paths: dict[int, str], placements: _Placements, dim: int
) -> Iterator[NDArray[np.float16]]:
    """A shard is read when a chunk needs it and let go after: files, not descriptors, are many."""
    for start in range(0, len(placements.ids), CHUNK):
        shards = placements.shards[start : start + CHUNK]
        rows = placements.rows[start : start + CHUNK]
        gathered = np.empty((len(rows), dim), np.float16)
        for shard in np.unique(shards):
            chosen = shards == shard
            gathered[chosen] = read_shard(folder.shards, paths[int(shard)])[rows[chosen]]
        yield gathered
