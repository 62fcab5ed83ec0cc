"""Samples of a WebDataset: consecutive members of an archive whose names agree to the first dot
of the last part. One is the picture; `.json`, `.txt` and `.cls` say what is known of it.
"""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field

from indexer.attributes import Attributes, FieldKinds, normalised
from indexer.errors import Rejected, RejectReason
from indexer.pictures.sniff import SNIFF_BYTES, identify
from indexer.sources.base import SourceReject, key_from
from indexer.sources.tables.jsonl_table import json_object
from indexer.sources.webdataset.tar_members import TarMembers

_PICTURES = {
    *("avif", "bmp", "gif", "jfif", "jpe", "jpeg", "jpg", "png", "tif", "tiff", "webp"),
    *("heic", "heif", "jp2", "jxl"),  # not decoded, and not to be passed over in silence
}
_SIDECARS = {"json", "txt", "cls"}
_MAX_SIDECAR = 64 * 1024
_MAX_NAMES = 8
_MAX_EXTENSION = 40
_NUMBER = re.compile(r"-?\d{1,15}", re.ASCII)


@dataclass
class Sample:
    """`picture` is the member, or what is wrong with it; `data` its bytes where they were read."""

    key: str
    names: list[str] = field(default_factory=list)
    """What follows the key in the members' names: the first few."""
    picture: tarfile.TarInfo | Rejected | None = None
    data: bytes | None = None
    sidecars: dict[str, bytes] = field(default_factory=dict)

    def attributes(self, kinds: FieldKinds) -> Attributes | None:
        """None without sidecars. Raises Rejected: bad_attributes."""
        if not self.sidecars:
            return None
        found: dict[str, object] = {}
        if "txt" in self.sidecars:
            found["caption"] = _text(self.sidecars["txt"])
        if "cls" in self.sidecars:
            label = _text(self.sidecars["cls"])
            found["class"] = int(label) if _NUMBER.fullmatch(label) else label
        if "json" in self.sidecars:
            found |= _object(self.sidecars["json"])
        attributes = normalised(found)
        kinds.require(attributes)
        return attributes


class SampleReader:
    """Iterating yields the samples of an archive, and members that belong to none as rejects.

    Raises ArchiveCut: the sample that it cuts is not among them.
    """

    def __init__(self, members: TarMembers, max_bytes: int, *, with_data: bool) -> None:
        self._members = members
        self._max_bytes = max_bytes
        self._with_data = with_data

    def __iter__(self) -> Iterator[Sample | SourceReject]:
        sample = None
        for member in self._members:
            try:
                named = None if member.isdir() else _key_and_extension(member.name)
                if named is None:
                    continue
                key, extension = named
                if sample is not None and sample.key != key:
                    yield sample
                    sample = None
                sample = sample or Sample(key)
                self._add(sample, member, extension)
            except Rejected as rejected:
                yield SourceReject(_readable(member.name), rejected.reason, rejected.detail)
        if sample is not None:
            yield sample

    def _add(self, sample: Sample, member: tarfile.TarInfo, extension: str) -> None:
        if len(sample.names) < _MAX_NAMES:
            sample.names.append(extension[:_MAX_EXTENSION])
        if extension.rpartition(".")[2] in _PICTURES:
            self._add_picture(sample, member)
        elif extension in _SIDECARS:
            self._add_sidecar(sample, member, extension)

    def _add_picture(self, sample: Sample, member: tarfile.TarInfo) -> None:
        if sample.picture is not None:
            raise Rejected(RejectReason.DUPLICATE_KEY, "the sample has a picture already")
        try:
            _require_file(member)
            sample.data = self._picture_data(member)
            sample.picture = member
        except Rejected as rejected:
            sample.picture = rejected

    def _picture_data(self, member: tarfile.TarInfo) -> bytes | None:
        if not self._with_data:
            self._require_small(member)
            return None
        head = self._members.data(member, 0, min(member.size, SNIFF_BYTES))
        identify(head)
        self._require_small(member)
        return head + self._members.data(member, len(head), member.size - len(head))

    def _require_small(self, member: tarfile.TarInfo) -> None:
        if member.size > self._max_bytes:
            raise Rejected(RejectReason.FILE_TOO_LARGE, f"{member.size} bytes")

    def _add_sidecar(self, sample: Sample, member: tarfile.TarInfo, extension: str) -> None:
        _require_file(member)
        if member.size > _MAX_SIDECAR:
            detail = f"{member.size} bytes of attributes; at most {_MAX_SIDECAR}"
            raise Rejected(RejectReason.BAD_ATTRIBUTES, detail)
        sample.sidecars[extension] = self._members.data(member, 0, member.size)


def _key_and_extension(name: str) -> tuple[str, str] | None:
    """Of a member's name; None for what file managers hide. A key is a path without `..`.

    Raises Rejected: undecodable_name.
    """
    parts = [part for part in name.split("/") if part not in {"", ".", ".."}]
    if not parts or parts[-1].startswith("."):
        return None
    stem, _, extension = parts.pop().partition(".")
    return key_from("/".join([*parts, stem])), extension.lower()


def _readable(name: str) -> str:
    r"""Bytes of the name that are not UTF-8 as `\xnn`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Rejected(RejectReason.BAD_ATTRIBUTES, "a text that is not UTF-8") from None


def _object(data: bytes) -> dict[str, object]:
    try:
        return json_object(data)
    except ValueError as error:
        raise Rejected(RejectReason.BAD_ATTRIBUTES, f".json: {error}") from None


def _require_file(member: tarfile.TarInfo) -> None:
    if not member.isreg() or member.issparse():
        raise Rejected(RejectReason.NOT_A_FILE, "a link, a device or a sparse file")
