"""What is to be opened of the collections that are followed: versions, encoders, backgrounds."""

import threading
from collections.abc import Mapping
from contextlib import suppress

from app.serving.live_collection import LiveCollection
from app.serving.live_collections import LiveCollections
from app.serving.measuring import Measuring
from app.serving.opening import Opener
from app.serving.snapshot import Segments
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import IndexVersion
from indexer.errors import UnknownCollection


class Openings:
    """May take minutes; the collections are followed and searched meanwhile."""

    def __init__(
        self, database: Database, live: LiveCollections, opener: Opener, measuring: Measuring
    ) -> None:
        self._database = database
        self._live = live
        self._opener = opener
        self._measuring = measuring
        self._lock = threading.Lock()
        """So that what several want is opened once."""

    def are_due(self) -> bool:
        return any(
            live.wants_active or live.wants_next or live.wants_embedder or self._is_unmeasured(live)
            for live in self._live
        )

    def open_wanted(self) -> None:
        """Blocking. Raises SQLAlchemyError; what else goes wrong with a version is its problem."""
        with self._lock:
            for live in self._live:
                with suppress(UnknownCollection):  # it has gone meanwhile
                    self._open(live)

    def attach_embedder(self, name: str) -> None:
        """Blocking: the encoder of a collection without a version, whatever else is being opened:
        one that has just embedded an image is loaded.
        """
        for live in self._live:
            if live.listed.name == name and live.wants_embedder:
                with suppress(UnknownCollection):
                    self._attach_embedder(live)

    def opened(self) -> Mapping[int, str | None]:
        """Ids of versions that are open, and of those that cannot be, with the reason."""
        said: dict[int, str | None] = {}
        for live in self._live:
            for wanted in (live.listed.active_version_id, live.listed.next_version_id):
                if wanted is not None and (why := self._opener.refusals.why(wanted)):
                    said[wanted] = why
            said |= dict.fromkeys(live.opened)
        return said

    def _open(self, live: LiveCollection) -> None:
        if live.wants_active:
            self._open_active(live)
        if live.wants_next:
            self._open_next(live)
        if live.wants_embedder:
            self._attach_embedder(live)
        if self._is_unmeasured(live):
            self._measure(live)

    def _open_active(self, live: LiveCollection) -> None:
        """The active version; failing that keep what is open, failing that the next best."""
        candidates = self._candidates(live)
        for version in candidates:
            if live.active is not None and live.active.version_id == version.id:
                return
            opened = self._opener.open_version(live.listed, version)
            if opened is not None:
                self._install(live, opened)
                return
            if live.active is not None and live.active.version is not None:
                return
        if candidates:
            with self._live.changing(live):
                live.refuse(self._opener.refusals.why(candidates[0].id) or "")

    def _candidates(self, live: LiveCollection) -> list[IndexVersion]:
        """The active version, then those that were, the newest first."""
        with self._database.read() as session:
            versions = repository.versions(session, live.listed.id)
        active, coming = live.listed.active_version_id, live.listed.next_version_id
        return [version for version in versions if version.id == active] + [
            version for version in versions if version.id not in {active, coming}
        ]

    def _open_next(self, live: LiveCollection) -> None:
        with self._database.read() as session:
            version = session.get(IndexVersion, live.listed.next_version_id)
        opened = self._opener.open_version(live.listed, version) if version else None
        if opened is not None:
            self._install(live, opened)

    def _install(self, live: LiveCollection, opened: Segments) -> None:
        self._live.install(live, opened)
        self._opener.scrub(live.listed, opened)

    def _attach_embedder(self, live: LiveCollection) -> None:
        listed = live.listed
        embedder = self._opener.embedder(listed)
        with self._live.changing(live):
            if live.listed.space == listed.space:
                live.attach(embedder, self._opener.refusals.why(listed.space))

    def _is_unmeasured(self, live: LiveCollection) -> bool:
        return live.active is not None and self._measuring.is_due(live.active)

    def _measure(self, live: LiveCollection) -> None:
        segments = live.active
        if segments is not None and (backgrounds := self._measuring.backgrounds(segments)):
            with self._live.changing(live):
                live.measured(segments, backgrounds)
