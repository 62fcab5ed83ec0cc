"""Opening versions and encoders, which may take minutes; and what could not be opened.

A version is served only if its files are what its manifest says and its encoder is the one that
is loaded. What is refused is tried again after a while: the fault may have been the disk's.
"""

import logging
import math
import time
from collections.abc import Hashable
from pathlib import Path

import numpy as np

from app.embedders import Embedders
from app.serving.following import ChangeReader
from app.serving.listed import Listed
from app.serving.scrub import Scrubber
from app.serving.snapshot import COSINES, OpenVersion, Segments
from indexer.backends.base import VectorIndex
from indexer.backends.milvus.connection import MilvusOptions
from indexer.backends.milvus.opening import open_in_milvus
from indexer.backends.opening import open_files
from indexer.catalog.tables import IndexVersion
from indexer.errors import IndexAway, VersionDamaged
from indexer.layout import CollectionFolder
from indexer.live.changes import Space
from indexer.live.delta import Delta
from indexer.live.overlay import VersionColumns
from indexer.versions.attributes import open_columns
from indexer.versions.manifest import Manifest
from indexer.versions.verified import read_verified
from models.errors import EncoderAway
from models.regions.schemes import split
from models.types import Embedder, Embeddings

logger = logging.getLogger(__name__)

_MILVUS_AWAY = "Milvus, which holds its index, does not answer"
"""What clients are told: the reason names servers, and is for the log."""
_RETRY_SECONDS = 30.0
_WARMING_SEARCHES = 8


class Refusals:
    """Why something cannot be opened, and when that was found."""

    def __init__(self) -> None:
        self._why: dict[Hashable, tuple[str, float]] = {}

    def add(self, key: Hashable, why: str, *, until_next_look: bool = False) -> None:
        self._why[key] = (why, -math.inf if until_next_look else time.monotonic())

    def stand(self, key: Hashable) -> bool:
        """Whether it is too early to try again."""
        return time.monotonic() - self._why.get(key, ("", -math.inf))[1] < _RETRY_SECONDS

    def remove(self, key: Hashable) -> None:
        self._why.pop(key, None)

    def why(self, key: Hashable) -> str | None:
        found = self._why.get(key)
        return found[0] if found else None


class Opener:
    """Blocking throughout; versions are for one thread at a time."""

    def __init__(
        self,
        data_dir: Path,
        embedders: Embedders,
        reader: ChangeReader,
        scrubber: Scrubber,
        milvus: MilvusOptions | None = None,
    ) -> None:
        self._milvus = milvus
        self._data_dir = data_dir
        self._embedders = embedders
        self._reader = reader
        self._scrubber = scrubber
        self.refusals = Refusals()
        """By version id; of encoders, by `Space`."""

    def open_version(self, listed: Listed, version: IndexVersion) -> Segments | None:
        """The version, warm, with what changed since. None where it is refused."""
        if self.refusals.stand(version.id):
            return None
        try:
            opened = self._opened(listed, version)
        except EncoderAway as away:
            self.refusals.add(version.id, str(away), until_next_look=True)
        except IndexAway as away:
            if self.refusals.why(version.id) != _MILVUS_AWAY:
                logger.error("cannot open a version of %s: %s", listed.name, away)  # noqa: TRY400
            self.refusals.add(version.id, _MILVUS_AWAY, until_next_look=True)
        except Exception as error:  # noqa: BLE001 - with one version or encoder; others go on
            self.refusals.add(version.id, str(error))
            logger.error("refusing a version of %s: %s", listed.name, error)  # noqa: TRY400
        else:
            self.refusals.remove(version.id)
            return opened
        return None

    def scrub(self, listed: Listed, opened: Segments) -> None:
        """Hash it again, behind what is served, if it was opened from memory.

        For what is installed: what is damaged is withdrawn from where it serves.
        """
        version = opened.version
        if version is not None and version.is_remembered:
            folder = self._folder(listed, version.name)
            self._scrubber.add(version.id, folder, version.manifest)

    def embedder(self, listed: Listed) -> Embedder | None:
        """The encoder of a collection that has no version. None where it is refused."""
        space = listed.space
        if self.refusals.stand(space):
            return None
        try:
            embedder = self._embedder_of(listed.model, space.fingerprint, listed.name)
        except EncoderAway as away:
            self.refusals.add(space, str(away), until_next_look=True)
        except Exception as error:  # noqa: BLE001 - with one encoder; others go on
            self.refusals.add(space, str(error))
            logger.error("cannot load the encoder of %s: %s", listed.name, error)  # noqa: TRY400
        else:
            self.refusals.remove(space)
            return embedder
        return None

    def _opened(self, listed: Listed, version: IndexVersion) -> Segments:
        folder = self._folder(listed, version.name)
        embedder = self._embedder_of(version.model, version.encoder_fingerprint, version.name)
        manifest, remembered = read_verified(folder)
        index, columns = self._stored(folder, manifest, version)
        _warm_up(index, manifest.dim, listed.recall)
        dim, regions = manifest.dim, manifest.regions
        absorbed = None if manifest.milvus is None else version.change_number
        opened = OpenVersion(version.id, version.name, manifest, index, absorbed, remembered)
        segments = Segments(
            space=Space(listed.id, version.encoder_fingerprint, dim, regions),
            version=opened,
            delta=Delta.empty(dim, opened.change_number, index, columns, regions),
            embedder=embedder,
            backgrounds=manifest.backgrounds or COSINES,
            regions=split(version.model)[1],
        )
        return self._reader.catch_up(listed, segments)[0]

    def _folder(self, listed: Listed, version: str) -> Path:
        return CollectionFolder(self._data_dir / "collections" / listed.folder).version(version)

    def _stored(
        self, folder: Path, manifest: Manifest, version: IndexVersion
    ) -> tuple[VectorIndex, VersionColumns]:
        """The vectors and the attributes, where they are."""
        if manifest.milvus is not None:
            return open_in_milvus(folder, manifest, version.count, self._milvus, is_patient=False)
        index, columns = open_files(folder, manifest), open_columns(folder, manifest)
        _warm_filters(index, manifest.dim)
        return index, columns

    def _embedder_of(self, model: str, fingerprint: str, of: str) -> Embedder:
        """That of its queries, if its pictures' is the one that made it."""
        if self._embedders.of_pictures(model).spec.fingerprint != fingerprint:
            raise VersionDamaged(f"{of} was made by another edition of {model}: reindex")
        return self._embedders.of(model)


def _warm_up(index: VectorIndex, dim: int, recall: float) -> None:
    """A first search reads lists from the disk and makes what others find made."""
    if not index.count:
        return
    for query in _random_queries(dim):
        index.search(query[None], 10, recall, "text")
        index.search(query[None], 10, recall, "image")


def _warm_filters(index: VectorIndex, dim: int) -> None:
    """The same with a mask of rows."""
    if index.count:
        every_other = np.arange(index.count) % 2 == 0
        index.search(_random_queries(dim)[:1], 10, 1.0, "image", every_other)


def _random_queries(dim: int) -> Embeddings:
    queries = np.random.default_rng(0).normal(size=(_WARMING_SEARCHES, dim)).astype(np.float32)
    unit: Embeddings = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    return unit
