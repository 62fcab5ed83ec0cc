"""Reading what changed, for a delta."""

import logging
from dataclasses import replace
from pathlib import Path

from app.serving.listed import Listed
from app.serving.snapshot import Segments
from indexer.backends.milvus.connection import MilvusOptions, connect
from indexer.backends.milvus.opening import seen
from indexer.catalog.db import Database
from indexer.layout import CollectionFolder
from indexer.live.changes import Changes, read_changes
from indexer.live.delta import Delta

logger = logging.getLogger(__name__)


class ChangeReader:
    def __init__(
        self,
        database: Database,
        data_dir: Path,
        max_images: int,
        milvus: MilvusOptions | None = None,
    ) -> None:
        """`max_images`: of a delta."""
        self._milvus = milvus
        self._database = database
        self._data_dir = data_dir
        self._max_images = max_images

    def catch_up(self, listed: Listed, segments: Segments) -> tuple[Segments, Changes]:
        """Blocking: with the changes after the delta's number. Raises SQLAlchemyError,
        UnknownCollection.
        """
        before = segments.delta
        with self._database.read() as session:
            changes = read_changes(
                session,
                CollectionFolder(self._data_dir / "collections" / listed.folder),
                segments.space,
                before.change_number,
                self._max_images,
                self._max_images - before.count,
            )
        delta = before.with_changes(changes, self._max_images)
        if delta.left_out and not before.left_out:
            logger.warning(
                "%s: more changed since its index was built than %d images: reindex it; "
                "until then some are found as they were, or not at all",
                listed.name,
                self._max_images,
            )
        return replace(segments, delta=delta), changes

    def read_absorbed(self, listed: Listed, segments: Segments) -> Segments:
        """Beside the version in Milvus, which took in changes that need be here no more. Raises
        VersionDamaged.
        """
        version, milvus = segments.version, self._milvus
        assert version is not None  # noqa: S101 - otherwise it took in nothing
        assert milvus is not None  # noqa: S101 - or it were not open
        folder = CollectionFolder(self._data_dir / "collections" / listed.folder)
        index, columns = seen(
            connect(milvus), folder.version(version.name), version.manifest, listed.indexed or 0
        )
        now = replace(version, index=index, absorbed=listed.absorbed)
        space = segments.space
        delta = Delta.empty(space.dim, now.change_number, index, columns, space.regions)
        return self.catch_up(listed, replace(segments, version=now, delta=delta))[0]

    def read_again(self, listed: Listed, segments: Segments) -> Segments:
        """From the version's own number: what had no embedding when it changed may have one now."""
        before = segments.delta
        space, number = segments.space, _first_number(segments)
        fresh = Delta.empty(space.dim, number, before.main, before.overlay.main, space.regions)
        return self.catch_up(listed, replace(segments, delta=fresh))[0]


def _first_number(segments: Segments) -> int:
    return segments.version.change_number if segments.version else 0
