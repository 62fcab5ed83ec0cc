"""The versions that this process serves: opened, swapped between requests, let go.

`refresh` compares the catalog's active versions with the open ones. A version is served
only if its files are what its manifest says and its encoder is the one that is loaded;
otherwise the version before it stays, or the newest that can be served is opened. What was
verified by an earlier opening alone is hashed again meanwhile, and withdrawn if it is damaged.
"""

import logging
import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Histogram

from app.embedders import Embedders
from app.errors import NotReady
from app.metrics import Metrics
from app.scrub import Scrubber
from app.search.known import KnownCollection, KnownCollections
from indexer.backends.base import VectorIndex
from indexer.backends.faiss_index import open_files
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection, IndexVersion
from indexer.errors import VersionDamaged
from indexer.layout import CollectionFolder
from indexer.versions.manifest import Manifest
from indexer.versions.verified import read_verified
from models.errors import EncoderAway
from models.types import Embedder

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 30.0
"""After this a refused version is tried again: the fault may have been the disk's."""


@dataclass(frozen=True)
class OpenVersion:
    """A version with all that a query needs. Requests that hold one finish on it."""

    id: int
    name: str
    collection: str
    manifest: Manifest
    index: VectorIndex
    embedder: Embedder
    search_seconds: Histogram
    """The collection's own child of the metric: finding it costs more than observing."""


class Serving:
    def __init__(
        self, database: Database, data_dir: Path, embedders: Embedders, metrics: Metrics
    ) -> None:
        self._database = database
        self._data_dir = data_dir
        self._embedders = embedders
        self._metrics = metrics
        self.known = KnownCollections(database)
        self._open: dict[int, OpenVersion] = {}
        self._refused: dict[int, tuple[str, float]] = {}
        """Version id → why it cannot be served, and when that was found."""
        self._problems: dict[int, tuple[str, str]] = {}
        """Collection id → its name, and why no version of it can be served."""
        self._refreshing = threading.Lock()
        self._scrubber = Scrubber(self._withdraw_damaged)

    def close(self) -> None:
        """Blocking: ends the thread that hashes behind what is served."""
        self._scrubber.close()

    @property
    def problems(self) -> dict[str, str]:
        """Collections that have a version and cannot serve any, with the reason."""
        return dict(self._problems.values())

    def version_of(self, collection: KnownCollection) -> OpenVersion | None:
        """None where nothing was ever indexed. Raises NotReady where no version can be served."""
        served = self._open.get(collection.id)
        if served is None and collection.active_version_id is not None:
            _, why = self._problems.get(collection.id, ("", "its index is being opened"))
            raise NotReady(f"collection {collection.name!r} cannot be searched: {why}")
        return served

    def refresh(self) -> None:
        """Blocking: reads the catalog, and files where a version is new."""
        with self._refreshing:
            self._refresh()

    def _refresh(self) -> None:
        with self._database.read() as session:
            collections = repository.collections(session)
            chains = {
                owner.id: [
                    version
                    for version in repository.versions(session, owner.id)
                    if version.id != owner.active_version_id
                ]
                for owner in collections
                if self._is_behind(owner)
            }
            active = {owner.id: owner.active_version for owner in collections}
        # Before versions are opened, which takes its time: deleted images vanish now.
        self.known.update(collections)
        # Withdraw first: a new collection may bear the name of one that is gone.
        for gone in self._open.keys() - active.keys():
            self._withdraw(gone)
        for owner in collections:
            if owner.id in chains and (first := active[owner.id]):
                self._serve(owner, [first, *chains[owner.id]])
        for gone in self._problems.keys() - active.keys():
            del self._problems[gone]

    def _is_behind(self, owner: Collection) -> bool:
        served = self._open.get(owner.id)
        wanted = owner.active_version_id
        return wanted is not None and (served is None or served.id != wanted)

    def _serve(self, owner: Collection, candidates: list[IndexVersion]) -> None:
        """Open the active version; failing that keep what is open, failing that the next best."""
        served = self._open.get(owner.id)
        for version in candidates:
            if served is not None and served.id == version.id:
                return
            opened = self._try_open(owner, version)
            if opened is not None:
                self._swap(owner, opened)
                return
            if served is not None:
                return
        self._problems[owner.id] = (owner.name, self._refused[candidates[0].id][0])

    def _try_open(self, owner: Collection, version: IndexVersion) -> OpenVersion | None:
        _, refused_at = self._refused.get(version.id, ("", -math.inf))
        if time.monotonic() - refused_at < _RETRY_SECONDS:
            return None
        folder = CollectionFolder.of(self._data_dir, owner).version(version.name)
        try:
            embedder = self._embedder_of(version)
            manifest, remembered = read_verified(folder)
            index = open_files(folder, manifest)
        except EncoderAway as away:  # it may be back at the next look
            self._refused[version.id] = (str(away), -math.inf)
            return None
        except Exception as error:  # noqa: BLE001 - with one version or encoder; others go on
            self._refused[version.id] = (str(error), time.monotonic())
            logger.error("refusing a version of %s: %s", owner.name, error)  # noqa: TRY400
            return None
        if remembered:
            self._scrubber.add(version.id, folder, manifest)
        return OpenVersion(
            id=version.id,
            name=version.name,
            collection=owner.name,
            manifest=manifest,
            index=index,
            embedder=embedder,
            search_seconds=self._metrics.search_seconds.labels(owner.name),  # from now on, at zero
        )

    def _embedder_of(self, version: IndexVersion) -> Embedder:
        embedder = self._embedders.of(version.model)
        if embedder.spec.fingerprint != version.encoder_fingerprint:
            raise VersionDamaged(
                f"{version.name} was made by another edition of {version.model}: reindex"
            )
        return embedder

    def _swap(self, owner: Collection, opened: OpenVersion) -> None:
        before = self._open.get(owner.id)
        self._open[owner.id] = opened
        if before is not None:
            self._unmeasure(before)
        self._problems.pop(owner.id, None)
        self._metrics.active_version.labels(owner.name, opened.name).set(1)
        self._metrics.index_vectors.labels(owner.name).set(opened.index.count)
        logger.info("serving version %s of %s", opened.name, owner.name)

    def _withdraw_damaged(self, version_id: int, damaged: VersionDamaged) -> None:
        """And open another in its place, as where the damage is found at opening."""
        with self._refreshing:
            self._refused[version_id] = (str(damaged), time.monotonic())
            for collection_id, served in list(self._open.items()):
                if served.id == version_id:
                    logger.error("withdrawing a version of %s: %s", served.collection, damaged)
                    self._withdraw(collection_id)
            self.known = KnownCollections(self._database)  # without the answers that it gave
            self._refresh()

    def _withdraw(self, collection_id: int) -> None:
        gone = self._open.pop(collection_id)
        self._unmeasure(gone)
        self._metrics.search_seconds.remove(gone.collection)

    def _unmeasure(self, gone: OpenVersion) -> None:
        self._metrics.active_version.remove(gone.collection, gone.name)
        self._metrics.index_vectors.remove(gone.collection)
