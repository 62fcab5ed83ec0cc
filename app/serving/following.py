"""Reading what changed, for a delta."""

import logging
from dataclasses import replace
from pathlib import Path

from app.serving.listed import Listed
from app.serving.snapshot import Segments
from indexer.catalog.db import Database
from indexer.layout import CollectionFolder
from indexer.live.changes import Changes, read_changes
from indexer.live.delta import Delta

logger = logging.getLogger(__name__)


class ChangeReader:
    def __init__(self, database: Database, data_dir: Path, max_images: int) -> None:
        """`max_images`: of a delta."""
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

    def read_again(self, listed: Listed, segments: Segments) -> Segments:
        """From the version's own number: what had no embedding when it changed may have one now."""
        before = segments.delta
        space, number = segments.space, _first_number(segments)
        fresh = Delta.empty(space.dim, number, before.main, before.overlay.main, space.regions)
        return self.catch_up(listed, replace(segments, delta=fresh))[0]


def _first_number(segments: Segments) -> int:
    return segments.version.manifest.change_number if segments.version else 0
