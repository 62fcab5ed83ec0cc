"""The CPU half of embedding: scan on one thread, read on some, hash, decode and resize on others.

Pictures come out as they are ready, in no particular order: one slow download holds up nobody.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from PIL import Image

from indexer.embedding.handover import Handover, Idle
from indexer.embedding.known import KnownImage
from indexer.embedding.scan import Candidate, Finding, SamePicture, Unchanged
from indexer.errors import Rejected
from indexer.pictures.decode import DecodeLimits, decode
from indexer.room import Room, RoomClosed
from indexer.sources.base import ImageSource, SourceIncomplete, SourceItem, SourceReject
from models.types import EncoderSpec, Pixels


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture ready for the encoder; width and height are the original's, upright. Its pixels
    take up room until the room is told that they left.
    """

    item: SourceItem
    known: KnownImage | None
    """The row that the key has."""
    content_hash: str
    size: int
    format: str
    width: int
    height: int
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class Refused:
    """A picture that the source offered and that cannot be had, or is none."""

    reject: SourceReject


Outcome = Prepared | SamePicture | Unchanged | Refused | SourceReject | SourceIncomplete | Idle


@dataclass(frozen=True)
class Workshop:
    """What pictures are made ready with."""

    source: ImageSource
    to_pixels: Callable[[Image.Image], Pixels]
    spec: EncoderSpec
    limits: DecodeLimits
    threads: int
    batch_size: int
    memory_bytes: int
    room: Room
    """For files and pixels, from before they are read until they are encoded."""
    decode_room: Room
    """For pictures at full size."""


class Preparation:
    """A context manager, and within it an iterator of outcomes. Whatever a thread raises, the
    iterator raises.
    """

    def __init__(self, findings: Iterable[Finding], workshop: Workshop) -> None:
        self._findings = findings
        self._workshop = workshop
        self._outcomes: Handover[Outcome] = Handover()
        self._stopped = False
        # Before the first file is read it may be the largest that is allowed.
        self._expected = workshop.limits.max_bytes
        self._expecting = threading.Lock()
        self._readers = ThreadPoolExecutor(max(1, workshop.source.readers), "read")
        self._decoders = ThreadPoolExecutor(workshop.threads, "decode")
        self._scanner = threading.Thread(target=self._scan, name="scan")

    def __enter__(self) -> Self:
        self._scanner.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped = True
        self._workshop.room.close()
        self._outcomes.leave(self._scanner)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self._outcomes)

    def _scan(self) -> None:
        try:
            with self._decoders, self._readers:  # left in reverse: nothing is read, then decoded
                for finding in self._findings:
                    if self._stopped:
                        break
                    if isinstance(finding, Candidate):
                        self._admit(finding)
                    else:
                        self._outcomes.put(finding)
        except RoomClosed:
            pass
        except BaseException as error:  # noqa: BLE001 - raised where the outcomes are read
            self._outcomes.fail(error)
        self._outcomes.end()

    def _admit(self, candidate: Candidate) -> None:
        data = candidate.item.data
        held = self._expected if data is None else len(data)
        self._workshop.room.enter(held)
        if data is None:
            self._readers.submit(self._run, self._read, candidate, held)
        else:
            self._decoders.submit(self._run, self._prepare, candidate, data)

    def _read(self, candidate: Candidate, held: int) -> None:
        try:
            data = self._workshop.source.read(candidate.item)
        except Rejected as rejected:
            self._refuse(candidate, rejected, held)
            return
        self._workshop.room.resize(held, len(data))
        with self._expecting:
            # The largest of late: of what is about to be read, nothing better is known.
            self._expected = max(len(data), self._expected * 9 // 10)
        self._decoders.submit(self._run, self._prepare, candidate, data)

    def _prepare(self, candidate: Candidate, data: bytes) -> None:
        room, known = self._workshop.room, candidate.known
        item = replace(candidate.item, data=None)
        content_hash = hashlib.sha256(data).hexdigest()
        if known is not None and known.content_hash == content_hash:
            room.leave(len(data))
            self._outcomes.put(SamePicture(item, known, len(data)))
            return
        try:
            decoded = decode(
                data,
                limits=self._workshop.limits,
                min_side_hint=self._workshop.spec.image_size,
                room=self._workshop.decode_room,
            )
        except Rejected as rejected:
            self._refuse(candidate, rejected, len(data))
            return
        pixels = self._workshop.to_pixels(decoded.image)
        room.resize(len(data), pixels.nbytes)
        self._outcomes.put(
            Prepared(
                item=item,
                known=known,
                content_hash=content_hash,
                size=len(data),
                format=decoded.format,
                width=decoded.width,
                height=decoded.height,
                pixels=pixels,
            )
        )

    def _refuse(self, candidate: Candidate, rejected: Rejected, held: int) -> None:
        self._workshop.room.leave(held)
        reject = SourceReject(candidate.item.key, rejected.reason, rejected.detail)
        self._outcomes.put(Refused(reject))

    def _run(self, work: Callable[..., None], *given: object) -> None:
        try:
            if not self._stopped:
                work(*given)
        except BaseException as error:  # noqa: BLE001 - raised where the outcomes are read
            self._outcomes.fail(error)
