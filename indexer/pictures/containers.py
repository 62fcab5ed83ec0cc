"""The outline of an image file, read without decoding it.

Two questions that Pillow leaves open: does the file end before its container says it should,
and has it so many parts that merely listing them would take gigabytes?
"""

import struct
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from indexer.errors import Rejected, RejectReason
from indexer.pictures.sniff import Format

# Pillow keeps a Python object for each part: about 200 bytes a PNG chunk, 150 a JPEG segment,
# 400 a TIFF strip. Real files stay well below: 100 MB in 8 KiB IDATs is 12,000 chunks, an ICC
# profile at most 255 segments, 100 megapixels in 16×16 tiles 390,625 of them.
_MAX_PNG_CHUNKS = 100_000
_MAX_JPEG_SEGMENTS = 2_000
_MAX_TIFF_STRIPS = 400_000
# A scan of a 100-megapixel progressive JPEG fits in 163 bytes and costs 60 ms (measured on one
# core). Encoders write about ten.
_MAX_JPEG_SCANS = 200

_STRIP_TAGS = {273, 279, 324, 325}  # offsets and byte counts, of strips and of tiles
_TIFF_CODE = {3: "H", 4: "I", 16: "Q"}
_TIFF_WIDTH = {3: 2, 4: 4, 16: 8}
_JPEG_STANDALONE = {0x00, 0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)}


def check_parts(form: Format, data: bytes) -> None:
    """Raises Rejected, corrupt, for a file of absurdly many parts."""
    if form == "PNG":
        _refuse_over(_MAX_PNG_CHUNKS, _length(_png_chunks(data), _MAX_PNG_CHUNKS), "chunks")
    elif form == "JPEG":
        _refuse_over(
            _MAX_JPEG_SEGMENTS, _length(_jpeg_segments(data), _MAX_JPEG_SEGMENTS), "segments"
        )
    elif form == "TIFF":
        strips = (entry.values for entry in _tiff_entries(data) if entry.tag in _STRIP_TAGS)
        _refuse_over(_MAX_TIFF_STRIPS, max(strips, default=0), "strips")


def check_scans(data: bytes) -> None:
    """Raises Rejected, corrupt, for a progressive JPEG that would take minutes to decode."""
    # Entropy-coded bytes never hold FF DA; metadata may, by chance or in a thumbnail, a few.
    _refuse_over(_MAX_JPEG_SCANS, data.count(b"\xff\xda"), "scans")


def cut_short(form: Format, data: bytes) -> bool:
    """Whether the file ends before its container says. Asked of files that failed to decode."""
    return _CUT_SHORT[form](data)


def _refuse_over(limit: int, count: int, name: str) -> None:
    if count > limit:
        raise Rejected(RejectReason.CORRUPT, f"more than {limit} {name}")


def _length(parts: Iterator[object], limit: int) -> int:
    """Counted no further than one over the limit."""
    return sum(1 for _ in islice(parts, limit + 1))


def _u32(order: str, data: bytes, at: int) -> int:
    """0 beyond the end of the data."""
    return int.from_bytes(data[at : at + 4], "little" if order == "<" else "big")


def _png_chunks(data: bytes) -> Iterator[bytes]:
    at = 8
    while at + 12 + _u32(">", data, at) <= len(data):
        yield data[at + 4 : at + 8]
        at += 12 + _u32(">", data, at)


def _jpeg_segments(data: bytes) -> Iterator[int]:
    """Markers up to the first scan. A stray byte between two counts as one: Pillow skips
    them one by one.
    """
    at = 2
    while at + 1 < len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xFF:
            at += 1
        elif marker in _JPEG_STANDALONE:
            at += 2
        elif marker == 0xDA:
            return
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
        yield marker


def _boxes_end(data: bytes) -> int:
    """Where the last top-level ISO box says that it ends."""
    at = 0
    while at + 8 <= len(data):
        size = _u32(">", data, at)
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        if size == 0:
            return len(data)
        if size < 8:
            return at
        at += size
    return at if at >= len(data) else len(data) + 1


class _TiffEntry(NamedTuple):
    tag: int
    kind: int
    values: int
    values_at: int


def _tiff_layout(data: bytes) -> tuple[str, bool, int]:
    """Byte order, whether BigTIFF, offset of the first directory."""
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    padded = data[:16].ljust(16, b"\0")
    start = struct.unpack_from(order + ("Q" if big else "I"), padded, 8 if big else 4)[0]
    return order, big, start


def _tiff_entries(data: bytes) -> Iterator[_TiffEntry]:
    """The entries of the first directory that lie within the file."""
    order, big, start = _tiff_layout(data)
    number, width, step = ("Q", 8, 20) if big else ("I", 4, 12)
    at = start + (8 if big else 2)
    if at > len(data):
        return
    entries = struct.unpack_from(order + ("Q" if big else "H"), data, start)[0]
    for here in range(at, min(at + entries * step, len(data) - step + 1), step):
        tag, kind, count = struct.unpack_from(order + "HH" + number, data, here)
        values_at = here + step - width
        if count * _TIFF_WIDTH.get(kind, 1) > width:
            values_at = struct.unpack_from(order + number, data, values_at)[0]
        yield _TiffEntry(tag, kind, count, values_at)


def _tiff_numbers(data: bytes, *tags: int) -> list[int]:
    """The whole numbers of the first entry that has one of these tags."""
    order = _tiff_layout(data)[0]
    for tag, kind, count, at in _tiff_entries(data):
        code, end = _TIFF_CODE.get(kind), at + count * _TIFF_WIDTH.get(kind, 1)
        if tag in tags and code and end <= len(data):
            return list(struct.unpack_from(f"{order}{count}{code}", data, at))
    return []


def _tiff_cut_short(data: bytes) -> bool:
    order, big, start = _tiff_layout(data)
    body, step = (start + 8, 20) if big else (start + 2, 12)
    if body > len(data):
        return True
    if body + step * struct.unpack_from(order + ("Q" if big else "H"), data, start)[0] > len(data):
        return True
    offsets, sizes = _tiff_numbers(data, 273, 324), _tiff_numbers(data, 279, 325)
    return any(at + size > len(data) for at, size in zip(offsets, sizes, strict=False))


_CUT_SHORT: dict[Format, Callable[[bytes], bool]] = {
    "PNG": lambda data: not any(k == b"IEND" or not k.isalpha() for k in _png_chunks(data)),
    "JPEG": lambda data: not data.rstrip(b"\0").endswith(b"\xff\xd9"),
    "GIF": lambda data: not data.rstrip(b"\0").endswith(b";"),
    "BMP": lambda data: _u32("<", data, 2) > len(data),
    "WEBP": lambda data: _u32("<", data, 4) + 8 > len(data),
    "AVIF": lambda data: _boxes_end(data) > len(data),
    "TIFF": _tiff_cut_short,
}
