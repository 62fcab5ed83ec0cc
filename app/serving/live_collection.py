"""One collection as this process follows it: from what the catalog says to what searches get."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace

from app.metrics import Metrics
from app.search.answers import Answers
from app.search.rows import ImageRows
from app.serving.following import ChangeReader
from app.serving.gauges import Gauges
from app.serving.listed import Listed
from app.serving.shared_looks import SharedLooks
from app.serving.snapshot import COSINES, Segments, Snapshot
from indexer.catalog.db import Database
from indexer.live.delta import Delta
from indexer.versions.relevance import Backgrounds
from models.types import Embedder

logger = logging.getLogger(__name__)


class LiveCollection:
    """Changed under its lock; `snapshot`, and what is wanted and open, is for everyone to read."""

    def __init__(
        self, database: Database, listed: Listed, reader: ChangeReader, metrics: Metrics
    ) -> None:
        self.lock = threading.Lock()
        self.looks = SharedLooks()
        self.is_gone = False
        self.listed = listed
        self.active: Segments | None = None
        """What is searched. Not always the active version: that may have to be opened first."""
        self.next: Segments | None = None
        """Open beforehand, and up to date."""
        self.refused: str | None = None
        """Why there is nothing to search, or no text to search by."""
        self._reader = reader
        self._gauges = Gauges(metrics, listed.name)
        self._search_seconds = metrics.search_seconds.labels(listed.name)  # from now on, at zero
        self._rows, self._rows_with_attributes = (
            ImageRows(database, listed.id, listed.name, attributes=attributes)
            for attributes in (False, True)
        )
        self._renew()

    def follow(self, listed: Listed) -> None:
        """Bring everything up to what the catalog says. Raises SQLAlchemyError, UnknownCollection:
        the next look tries again.
        """
        before = self.listed, self.active
        self.listed = listed
        try:
            self._follow()
        finally:  # whatever else cannot be brought up to date
            if self.listed != before[0] or self.active is not before[1]:
                self._renew()

    def install(self, opened: Segments) -> None:
        """A version that was opened; it goes where the catalog has it by now."""
        if self.active is None:
            self._forget(None)  # nobody followed what changed
        opened = self._reader.catch_up(self.listed, opened)[0]
        if opened.version_id == self.listed.active_version_id or self.active is None:
            self._swap(opened)
            self._renew()
        else:
            self.next = self._still_wanted(opened)

    def refuse(self, why: str) -> None:
        """The active version cannot be opened, and there is no other."""
        if self.active is None or self.active.version is None:
            self._set_active(None)
            self.refused = why
            self._renew()

    def attach(self, embedder: Embedder | None, why: str | None) -> None:
        """The encoder of a collection without a version; None: it cannot be loaded."""
        if self.active is not None and self.active.version is None:
            self.active = replace(self.active, embedder=embedder)
            self.refused = why
            self._renew()

    def measured(self, on: Segments, backgrounds: Backgrounds) -> None:
        """What scores are worth, measured on images that are in no version."""
        active = self.active
        if active and (active.version_id, active.space) == (on.version_id, on.space):
            self.active = replace(active, backgrounds=backgrounds, measured_on=on.delta.count)
            self._renew()

    def withdraw(self, version_id: int) -> bool:
        """Search it no longer. Whether it was searched, or was going to be."""
        if self.next is not None and self.next.version_id == version_id:
            self.next = None
            return True
        if self.active is None or self.active.version_id != version_id:
            return False
        self._set_active(None)
        self._renew()
        return True

    def end(self) -> None:
        """The collection is gone."""
        self.is_gone = True
        self._gauges.remove(self.active)

    @property
    def opened(self) -> Iterator[int]:
        """Ids of the versions that are open."""
        for segments in (self.active, self.next):
            if segments is not None and segments.version is not None:
                yield segments.version.id

    @property
    def wants_active(self) -> bool:
        wanted, active = self.listed.active_version_id, self.active
        return wanted is not None and (active is None or active.version_id != wanted)

    @property
    def wants_next(self) -> bool:
        listed, coming = self.listed, self.next
        wanted = listed.next_version_id
        is_coming = wanted is not None and wanted != listed.active_version_id
        return is_coming and (coming is None or coming.version_id != wanted)

    @property
    def wants_embedder(self) -> bool:
        active = self.active
        return active is not None and active.version is None and active.embedder is None

    def is_behind(self, listed: Listed) -> bool:
        """Whether there is something to follow."""
        return (
            self.listed != listed
            or self._is_without_index()
            or self._is_switched
            or any(_is_behind(segments, listed) for segments in (self.active, self.next))
        )

    def _follow(self) -> None:
        if self._is_without_index():
            self._set_active(_delta_alone(self.listed))
        self._set_active(self._caught_up(self.active))
        self._set_active(self._without_absorbed(self.active))
        self.next = self._caught_up(self._still_wanted(self.next))
        if self.next is not None and self._is_switched:
            self._swap(self.next)
            self.next = None

    @property
    def _is_switched(self) -> bool:
        """Whether what was the next version is the active one."""
        return self.next is not None and self.next.version_id == self.listed.active_version_id

    def _is_without_index(self) -> bool:
        """Whether all has to be searched in memory, and is not yet, or by another encoder."""
        if self.listed.active_version_id is not None:
            return False
        active = self.active
        return active is None or (active.version is None and active.space != self.listed.space)

    def _still_wanted(self, opened: Segments | None) -> Segments | None:
        wanted = {self.listed.active_version_id, self.listed.next_version_id}
        return opened if opened is not None and opened.version_id in wanted else None

    def _caught_up(self, segments: Segments | None) -> Segments | None:
        if segments is None or not _is_behind(segments, self.listed):
            return segments
        segments, changes = self._reader.catch_up(self.listed, segments)
        # Before anyone searches what changed: answers that are kept from then on show it.
        self._forget(changes.changed)
        return segments

    def _without_absorbed(self, segments: Segments | None) -> Segments | None:
        """Beside the version as it is by now, where it took in what changed."""
        listed = self.listed
        version = None if segments is None else segments.version
        if segments is None or version is None or version.manifest.milvus is None:
            return segments
        is_behind = version.change_number < (listed.absorbed or 0)
        if version.id == listed.active_version_id and is_behind:
            return self._reader.read_absorbed(listed, segments)
        return segments

    def _forget(self, images: frozenset[int] | None) -> None:
        self._rows.forget(images)
        self._rows_with_attributes.forget(images)

    def _swap(self, opened: Segments) -> None:
        if opened.delta.waiting:
            opened = self._reader.read_again(self.listed, opened)
        self._set_active(opened)
        if opened.version is not None:
            logger.info("serving version %s of %s", opened.version.name, self.listed.name)

    def _set_active(self, segments: Segments | None) -> None:
        if segments is not self.active:
            self._gauges.show(self.active, segments)
            if segments is None or segments.version is not None:
                self.refused = None
            self.active = segments

    def _renew(self) -> None:
        listed, active = self.listed, self.active
        segments = active or _delta_alone(listed)
        self.snapshot = Snapshot(
            id=listed.id,
            name=listed.name,
            recall=listed.recall,
            change_number=active.delta.change_number if active else listed.change_number,
            segments=segments,
            is_empty=segments.is_empty,
            is_quick=segments.is_quick,
            problem=self._problem(),
            rows=self._rows,
            rows_with_attributes=self._rows_with_attributes,
            answers=Answers(),
            search_seconds=self._search_seconds,
        )

    def _problem(self) -> str | None:
        if self.active is None:
            return self.refused or "its index is being opened"
        if self.active.embedder is None and self.active.delta.count:
            return self.refused or "its encoder is being loaded"
        return None


def _is_behind(segments: Segments | None, listed: Listed) -> bool:
    return segments is not None and segments.delta.change_number < listed.change_number


def _delta_alone(listed: Listed) -> Segments:
    space = listed.space
    delta = Delta.empty(space.dim, 0, regions=space.regions)
    return Segments(space, None, delta, None, COSINES, regions=listed.regions)
