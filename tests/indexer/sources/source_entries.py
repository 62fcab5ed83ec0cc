"""Pictures to put where sources look, and what they say of them."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from indexer.errors import Rejected, RejectReason
from indexer.sources.base import (
    ImageSource,
    SourceEntry,
    SourceIncomplete,
    SourceItem,
    SourceReject,
)
from tests.indexer.pictures.hostile import encoded, picture

PNG = encoded(picture(), "PNG")
OTHER_PNG = encoded(picture(1), "PNG")
FILM = b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + bytes(99)


def put(root: Path, name: str, data: bytes = PNG) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def tar(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            name, data = member
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return file.getvalue()


def items(source: Iterable[SourceEntry]) -> list[SourceItem]:
    return [entry for entry in source if isinstance(entry, SourceItem)]


def rejects(source: Iterable[SourceEntry]) -> dict[str, RejectReason]:
    return {entry.key: entry.reason for entry in source if isinstance(entry, SourceReject)}


def is_incomplete(source: Iterable[SourceEntry]) -> bool:
    return any(isinstance(entry, SourceIncomplete) for entry in source)


def attributes(source: Iterable[SourceEntry]) -> dict[str, object]:
    return {item.key: item.attributes for item in items(source)}


def reason_of(source: ImageSource, item: SourceItem) -> RejectReason:
    with pytest.raises(Rejected) as caught:
        source.read(item)
    return caught.value.reason
