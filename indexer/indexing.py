"""An indexing run from end to end: embed what changed, build beside the old, publish."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from indexer.build import CHUNK, BuildInput, BuiltVersion, build_version
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection, Image, IndexVersion, Shard, Source
from indexer.embed import EmbedOptions, EmbedRun, EmbedSummary
from indexer.errors import CollectionMixed, UnknownCollection, VersionDamaged
from indexer.layout import CollectionFolder
from indexer.manifest import read_verified
from indexer.progress import Progress
from indexer.publish import collect_garbage, publish
from indexer.shards import open_shard
from indexer.sources.base import ImageSource
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
        """Index `source` into collection `name`, made where it is new.

        With `sole_source`, images of the collection's other sources go. Raises SourceError,
        CollectionBusy, CollectionMixed; whatever is raised, the version that served goes on.
        """
        collection_id = self._collection_id(name, encoder, recall)
        folder = CollectionFolder.of(self._data_dir, collection_id)
        with folder.lock():
            collect_garbage(self._database, collection_id, folder, self._keep_versions)
            embed = EmbedRun(
                self._database, collection_id, folder, encoder, source, self._options, progress
            )
            images = embed.run()
            if sole_source:
                images.removed += self._drop_other_sources(collection_id, source.uri)
            built = self._build_if_changed(collection_id, folder, encoder, progress)
            if built is not None:
                publish(self._database, collection_id, built)
                collect_garbage(self._database, collection_id, folder, self._keep_versions)
        return self._summary(collection_id, images, published=built is not None)

    def _collection_id(self, name: str, encoder: Encoder, recall: float) -> int:
        with self._database.write() as session:
            try:
                found = repository.collection(session, name)
            except UnknownCollection:
                model = encoder.spec.id
                found = repository.add_collection(session, name, model, encoder.spec, recall)
            return found.id

    def _drop_other_sources(self, collection_id: int, uri: str) -> int:
        with self._database.write() as session:
            return repository.delete_other_sources(session, collection_id, uri)

    def _build_if_changed(
        self, collection_id: int, folder: CollectionFolder, encoder: Encoder, progress: Progress
    ) -> BuiltVersion | None:
        with self._database.read() as session:
            owner = session.get_one(Collection, collection_id)
            if _is_current(session, owner, encoder) and _is_servable(owner, folder):
                return None
            _require_one_encoder(session, collection_id, encoder)
            ids, shards, rows = _placements(session, collection_id)
            paths = _paths(session, collection_id)
        source = BuildInput(
            model=encoder.spec.id,
            encoder_fingerprint=encoder.spec.fingerprint,
            dim=encoder.spec.dim,
            change_number=owner.change_number,
            ids=ids,
            chunks=lambda: _chunks(folder, paths, shards, rows),
            encode_texts=encoder.encode_texts,
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
    """Whether the newest version was made from the images as they are."""
    active: IndexVersion | None = owner.active_version
    if active is None:
        return repository.image_count(session, owner.id) == 0
    return (
        active.change_number == owner.change_number
        and active.encoder_fingerprint == encoder.spec.fingerprint
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


def _require_one_encoder(session: Session, collection_id: int, encoder: Encoder) -> None:
    stale = session.scalars(
        select(Source.uri)
        .distinct()
        .join(Image, Image.source_id == Source.id)
        .join(Shard, Shard.id == Image.shard_id)
        .where(
            Image.collection_id == collection_id,
            Shard.encoder_fingerprint != encoder.spec.fingerprint,
        )
    ).all()
    if stale:
        raise CollectionMixed(
            f"images of {', '.join(stale)} are embedded by another model than "
            f"{encoder.spec.id}: index that source with --model {encoder.spec.id} too"
        )


def _placements(
    session: Session, collection_id: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Ids, shard ids and shard rows of all images, each (count,), in ascending id order."""
    rows = session.execute(
        select(Image.id, Image.shard_id, Image.shard_row)
        .where(Image.collection_id == collection_id)
        .order_by(Image.id)
        .execution_options(yield_per=10_000)
    )
    flat = np.fromiter((number for row in rows for number in row), np.int64)
    ids, shards, shard_rows = flat.reshape(-1, 3).T.copy()
    return ids, shards, shard_rows


def _paths(session: Session, collection_id: int) -> dict[int, str]:
    rows = session.execute(select(Shard.id, Shard.path).where(Shard.collection_id == collection_id))
    return {row.id: row.path for row in rows}


def _chunks(
    folder: CollectionFolder,
    paths: dict[int, str],
    shards: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> Iterator[NDArray[np.float16]]:
    opened = {
        int(shard): open_shard(folder.shards, paths[int(shard)]) for shard in np.unique(shards)
    }
    for start in range(0, len(shards), CHUNK):
        chunk_shards, chunk_rows = shards[start : start + CHUNK], rows[start : start + CHUNK]
        dim = opened[int(chunk_shards[0])].shape[1]
        gathered = np.empty((len(chunk_rows), dim), np.float16)
        for shard in np.unique(chunk_shards):
            chosen = chunk_shards == shard
            gathered[chosen] = opened[int(shard)][chunk_rows[chosen]]
        yield gathered
