"""The collections that this process serves: followed, opened, swapped between two searches.

Two things are done side by side: looking what the catalog says, which takes milliseconds and brings
every delta up to date; and opening versions and encoders, which may take minutes. Searches see
neither: they take the snapshot that there is.
"""

import logging
from contextlib import suppress

from app.config import Settings
from app.embedders import Embedders
from app.metrics import Metrics
from app.serving.following import ChangeReader
from app.serving.live_collections import LiveCollections
from app.serving.measuring import Measuring
from app.serving.opening import Opener
from app.serving.openings import Openings
from app.serving.presence import Presence
from app.serving.scrub import Scrubber
from app.serving.snapshot import Snapshot
from app.serving.threads import Following, Repeating
from indexer.catalog.db import Database
from indexer.catalog.watch import ChangeWatch
from indexer.errors import UnknownCollection, VersionDamaged
from indexer.live.servers import HEARTBEAT_SECONDS

logger = logging.getLogger(__name__)


class Serving:
    """Snapshots by name, and what keeps them up to date."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        embedders: Embedders,
        metrics: Metrics,
        measuring: Measuring,
    ) -> None:
        milvus = settings.milvus_options()
        reader = ChangeReader(database, settings.data_dir, settings.delta_max_images, milvus)
        self._scrubber = Scrubber(self._withdraw_damaged)
        self._opener = Opener(settings.data_dir, embedders, reader, self._scrubber, milvus)
        self._live = LiveCollections(database, reader, metrics)
        self._openings = Openings(database, self._live, self._opener, measuring)
        self._presence = Presence(database, self._openings.opened)
        watch, seconds = ChangeWatch(database), settings.refresh_seconds
        self._following = Following("follow", self.look, seconds, watch)
        self._opening = Repeating("open", self._open_wanted, seconds)
        self._announcing = Repeating("announce", self._presence.say, HEARTBEAT_SECONDS)

    def start(self) -> None:
        """Follow the catalog from now on, and be there for whoever switches versions."""
        for thread in (self._announcing, self._following, self._opening):
            thread.start()

    def close(self) -> None:
        """Blocking: ends all threads."""
        for thread in (self._following, self._opening, self._announcing):
            thread.stop()
        self._presence.forget()
        self._scrubber.close()

    def get(self, name: str) -> Snapshot | None:
        return self._live.get(name)

    def look_up(self, name: str) -> Snapshot:
        """Blocking, for a name that the last look did not show. Raises UnknownCollection."""
        self.look()
        found = self.get(name)
        if found is None:
            raise UnknownCollection(name)
        return found

    def wrote(self, name: str) -> None:
        """Blocking: what was committed to the collection before is searched when this returns.

        Raises SQLAlchemyError.
        """
        self._live.look_at(name)
        found = self.get(name)
        if found is not None and found.segments.embedder is None:
            self._openings.attach_embedder(name)  # the first image: what embedded it is loaded

    @property
    def problems(self) -> dict[str, str]:
        """Collections that have something to search and cannot be searched, with the reason."""
        return {
            live.listed.name: live.refused
            for live in self._live
            if live.refused and live.snapshot.problem
        }

    def refresh(self) -> None:
        """Blocking: looks, and opens what is to be opened. Raises SQLAlchemyError."""
        self.look()
        self._open_wanted()

    def look(self) -> None:
        """Blocking: brings what is open up to what the catalog says. Raises SQLAlchemyError."""
        self._live.look()
        if self._openings.are_due():
            self._opening.wake()

    def _open_wanted(self) -> None:
        before = self._openings.opened()
        self._openings.open_wanted()
        if self._openings.opened() != before:
            self._announcing.wake()

    def _withdraw_damaged(self, version_id: int, damaged: VersionDamaged) -> None:
        """And open another in its place, as where the damage is found at opening."""
        self._opener.refusals.add(version_id, str(damaged))
        for live in self._live:
            with suppress(UnknownCollection), self._live.changing(live):
                if live.withdraw(version_id):
                    logger.error("withdrawing a version of %s: %s", live.listed.name, damaged)
        self.refresh()
