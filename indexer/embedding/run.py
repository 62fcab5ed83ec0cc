"""From a source to shards and catalog rows; only what is new or changed is embedded.

scan · look up → read → hash · decode · resize → encode → write: each on threads of its own,
so that the encoder always has its next batch before it is done with the last. The thread
that runs this hands pictures from one to the next.
"""

import logging
import os
from collections import Counter
from dataclasses import dataclass, field

from indexer.drivers.base import EmbedDriver
from indexer.drivers.local import LocalDriver
from indexer.embedding.encode import BatchEncoder
from indexer.embedding.handover import Idle
from indexer.embedding.known import Known
from indexer.embedding.prepare import (
    Outcome,
    Prepared,
    Refused,
    Workshop,
)
from indexer.embedding.scan import STAYS, SamePicture, Unchanged, scan
from indexer.embedding.seen_keys import SeenKeys
from indexer.embedding.write import Writer
from indexer.errors import RejectReason, SourceError
from indexer.layout import CollectionFolder
from indexer.lease import Lease
from indexer.pictures.decode import DecodeLimits
from indexer.progress import Progress
from indexer.room import Room
from indexer.sources.base import ImageSource, SourceIncomplete, SourceReject
from models.encoder_pool import EncoderPool
from models.types import Encoder

logger = logging.getLogger(__name__)

_MAX_LISTED = 1000


@dataclass(frozen=True)
class EmbedOptions:
    limits: DecodeLimits
    threads: int = 0
    """Decode threads; 0: one a core."""
    batch_size: int = 32
    memory_bytes: int = 1024 * 1024 * 1024
    """For files and pixels under way, and as much again for pictures at full size."""
    driver: EmbedDriver = field(default_factory=LocalDriver)


@dataclass
class EmbedSummary:
    embedded: int = 0
    shared: int = 0
    """New or changed pictures whose content had an embedding already."""
    unchanged: int = 0
    """The attributes of some may be new."""
    lost: list[int] = field(default_factory=list)
    """Ids of images that the source no longer offers. They go when a version without them
    is published: until then the one that serves needs their rows.
    """
    is_incomplete: bool = False
    """Part of the source could not be scanned: what this run did not meet is not lost."""
    rejected: Counter[RejectReason] = field(default_factory=Counter)
    rejects: list[SourceReject] = field(default_factory=list)
    """The first thousand of each reason; what comes after is logged alone."""

    @property
    def removed(self) -> int:
        return len(self.lost)

    def add(self, other: "EmbedSummary") -> None:
        """Another source's."""
        self.embedded += other.embedded
        self.shared += other.shared
        self.unchanged += other.unchanged
        self.lost += other.lost
        self.is_incomplete |= other.is_incomplete
        self.rejected += other.rejected
        self.rejects += other.rejects


class EmbedRun:
    """One pass over one source."""

    def __init__(
        self,
        lease: Lease,
        folder: CollectionFolder,
        encoder: Encoder,
        pool: EncoderPool,
        source: ImageSource,
        known: Known,
        options: EmbedOptions,
        progress: Progress,
    ) -> None:
        self._source = source
        self._known = known
        self._progress = progress
        self._summary = EmbedSummary()
        self._writer = Writer(lease, folder, known.embedded, known.source_id)
        self._workshop = workshop(encoder, pool, source, options)
        self._pool = pool
        self._driver = options.driver

    def run(self) -> EmbedSummary:
        """Raises SourceError where the source cannot be read, or looks lost; ModelError. What
        was finished before is kept.
        """
        self._progress.start("embed", self._source.count())
        with SeenKeys() as seen:
            self._embed(seen)
            if not self._summary.is_incomplete:
                self._summary.lost = self._known.lost(seen)
        self._require_not_lost()
        return self._summary

    def _embed(self, seen: SeenKeys) -> None:
        findings = scan(self._source, self._known, seen)
        shop = self._workshop
        with self._writer, self._driver.stages(findings, shop, self._pool) as stages:
            batches = BatchEncoder(
                stages.encode, self._known.embedded, self._writer, stages.leave, shop.batch_size
            )
            with batches:
                for outcome in stages.outcomes:
                    self._take(outcome, seen, batches)
                    self._progress.advance(batches.finished())
                batches.flush()
                self._progress.advance(batches.finished(wait=True))
        self._summary.embedded, self._summary.shared = batches.embedded, batches.shared

    def _take(self, outcome: Outcome, seen: SeenKeys, batches: BatchEncoder) -> None:
        match outcome:
            case Prepared():
                batches.add(outcome)
            case SamePicture():
                self._leave_unchanged(1)
                if not outcome.is_as_it_was:
                    self._writer.put(outcome)
            case Unchanged(count):
                self._leave_unchanged(count)
            case Refused(reject):
                if reject.reason not in STAYS:
                    seen.drop(reject.key)
                self._reject(reject)
            case SourceReject():
                self._reject(outcome)
            case SourceIncomplete(detail):
                logger.warning("what this run does not meet stays: %s", detail)
                self._summary.is_incomplete = True
            case Idle():
                batches.flush()

    def _leave_unchanged(self, count: int) -> None:
        self._summary.unchanged += count
        self._progress.advance(count)

    def _reject(self, reject: SourceReject) -> None:
        self._summary.rejected[reject.reason] += 1
        if self._summary.rejected[reject.reason] <= _MAX_LISTED:
            self._summary.rejects.append(reject)
        else:
            logger.info("%r was left out, %s: %s", reject.key, reject.reason, reject.detail)
        self._progress.reject(reject.reason)
        self._progress.advance()

    def _require_not_lost(self) -> None:
        """A source in which nothing is a picture any more is taken for lost, not for a wish."""
        found = self._summary.embedded + self._summary.shared + self._summary.unchanged
        if self._summary.lost and not found:
            raise SourceError(
                f"{self._source.uri} holds no picture, but {len(self._summary.lost)} images are "
                "in the collection: is it mounted? To drop them, delete the collection"
            )


def workshop(
    encoder: Encoder, pool: EncoderPool, source: ImageSource, options: EmbedOptions
) -> Workshop:
    threads = options.threads or os.cpu_count() or 1
    # With the encoder, being made up into a batch, being decoded, being read.
    ahead = (pool.batches + 2) * options.batch_size + 2 * threads + source.readers
    return Workshop(
        source=source,
        to_pixels=encoder.to_pixels,
        spec=encoder.spec,
        limits=options.limits,
        threads=threads,
        batch_size=options.batch_size,
        memory_bytes=options.memory_bytes,
        room=Room(options.memory_bytes, ahead),
        decode_room=Room(options.memory_bytes),
    )
