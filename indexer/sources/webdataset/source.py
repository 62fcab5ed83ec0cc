"""A WebDataset: pictures and what is known of them in tar archives, the shards.

Shards are read from start to end and never extracted. A picture's URI is its shard's with the
offset and size of its data: in a shard that is not compressed it can be opened again by itself;
in a .tar.gz everything before it is unpacked first. Only where a shard is local and not
compressed are pictures left unread by the scan.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from indexer.attributes import FieldKinds
from indexer.errors import Rejected, RejectReason
from indexer.pictures.sniff import SNIFF_BYTES, identify
from indexer.sources.base import (
    DISK_READERS,
    SourceEntry,
    SourceIncomplete,
    SourceItem,
    SourceReject,
)
from indexer.sources.files import UNREADABLE, unpacked
from indexer.sources.locations import name_of, scheme_of, suffix_of
from indexer.sources.options import SourceOptions
from indexer.sources.storage import Storage
from indexer.sources.webdataset.samples import Sample, SampleReader
from indexer.sources.webdataset.shard_pattern import ShardPattern
from indexer.sources.webdataset.tar_members import ArchiveCut, TarMembers

_MEMBER = re.compile(r"(.+)#offset=(\d{1,18})&size=(\d{1,18})")


class WebDatasetSource:
    """An ImageSource over the shards that `uri`, a ShardPattern, names. Raises SourceError."""

    def __init__(self, uri: str, options: SourceOptions) -> None:
        self.uri = uri
        self._pattern = ShardPattern(uri)
        self._storage = Storage(options)
        self._max_bytes = options.max_bytes

    @property
    def readers(self) -> int:
        return DISK_READERS

    def count(self) -> None:
        return None

    def __iter__(self) -> Iterator[SourceEntry]:
        kinds = FieldKinds()
        for shard in self._pattern.uris():
            name = name_of(shard)
            try:
                yield from self._scan(shard, kinds)
            except (Rejected, ArchiveCut) as error:
                reason = error.reason if isinstance(error, Rejected) else RejectReason.UNREADABLE
                detail = error.detail if isinstance(error, Rejected) else str(error)
                yield SourceReject(name, reason, detail)
                yield SourceIncomplete(f"{name} could not be read to its end")

    def read(self, item: SourceItem) -> bytes:
        """See ImageSource.read. In a .tar.gz it takes as long as reading up to the picture."""
        if item.data is not None:
            return item.data
        found = _MEMBER.fullmatch(item.uri)
        if found is None or not self._pattern.matches(found[1]):
            raise Rejected(RejectReason.OUTSIDE_SOURCE, "the URI is of another source")
        shard, offset, size = found[1], int(found[2]), int(found[3])
        if size > self._max_bytes:
            raise Rejected(RejectReason.FILE_TOO_LARGE, f"{size} bytes")
        data = self._part(shard, offset, size)
        identify(data[:SNIFF_BYTES])
        if len(data) < size:
            raise Rejected(RejectReason.UNREADABLE, "the archive is shorter than it was")
        return data

    def _part(self, shard: str, offset: int, size: int) -> bytes:
        if not _is_compressed(shard):
            return self._storage.part(shard, offset, size)
        try:
            with self._opened(shard) as (file, _):
                file.seek(offset)
                return file.read(size)
        except UNREADABLE as error:
            raise Rejected(RejectReason.UNREADABLE, str(error)) from None

    def _scan(self, shard: str, kinds: FieldKinds) -> Iterator[SourceItem | SourceReject]:
        with self._opened(shard) as (file, stamp):
            in_place = scheme_of(shard) == "file" and not _is_compressed(shard)
            members = TarMembers(file, seekable=in_place)
            for found in SampleReader(members, self._max_bytes, with_data=not in_place):
                if isinstance(found, Sample):
                    yield _entry(found, shard, stamp, kinds)
                else:
                    yield found

    @contextmanager
    def _opened(self, shard: str) -> Iterator[tuple[BinaryIO, str | None]]:
        with self._storage.opened(shard) as opened:
            yield unpacked(opened.file, compressed=_is_compressed(shard)), opened.stamp


def _is_compressed(shard: str) -> bool:
    return suffix_of(shard) == ".tar.gz"


def _entry(
    sample: Sample, shard: str, stamp: str | None, kinds: FieldKinds
) -> SourceItem | SourceReject:
    match sample.picture:
        case None:
            # Not under the sample's key: a picture of that key may come in another place.
            name = f"{sample.key}.{sample.names[0]}"
            detail = f"a sample without a picture: {', '.join(sample.names)}"
            return SourceReject(name, RejectReason.NOT_AN_IMAGE, detail)
        case Rejected() as rejected:
            return SourceReject(sample.key, rejected.reason, rejected.detail)
        case member:
            try:
                attributes = sample.attributes(kinds)
            except Rejected as rejected:
                return SourceReject(sample.key, rejected.reason, rejected.detail)
            uri = f"{shard}#offset={member.offset_data}&size={member.size}"
            return SourceItem(sample.key, uri, stamp, attributes, sample.data)
