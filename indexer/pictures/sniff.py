"""What kind of file do these first bytes belong to?

Asked before any decoder runs, so that only the decoder of the format at hand ever sees the
bytes, and before a file is read whole, so that a film among the pictures costs one page.
"""

import re
import struct
from typing import Literal, get_args

from indexer.errors import Rejected, RejectReason

SNIFF_BYTES = 4096
"""How much of the head `identify` looks at: an SVG may open with a long XML prologue."""

Format = Literal["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]
FORMATS: tuple[Format, ...] = get_args(Format)

_DECODED: dict[bytes, Format] = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_OTHER_IMAGES = {
    b"%!PS": "EPS",
    b"\xc5\xd0\xd3\xc6": "EPS",
    b"%PDF-": "PDF",
    b"8BPS": "PSD",
    b"\0\0\1\0": "ICO",
    b"\0\0\2\0": "CUR",
    b"icns": "ICNS",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"DDS ": "DDS",
    b"gimp xcf": "XCF",
    b"v/1\1": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"qoif": "QOI",
    b"AT&TFORM": "DjVu",
    b"\xd7\xcd\xc6\x9a": "WMF",
    b"SIMPLE  =": "FITS",
    b"\x8aMNG": "MNG",
}
_NOT_IMAGES = {
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"PK\3\4": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a rar archive",
    b"\x1aE\xdf\xa3": "a Matroska film",
    b"ID3": "an audio file",
    b"OggS": "an Ogg file",
}
_BMP_HEADER_SIZES = {12, 40, 52, 56, 64, 108, 124}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_PNM = re.compile(rb"P[1-7][\s#]")
_SVG = re.compile(rb"<(?:\w+:)?svg[\s>]", re.IGNORECASE)
_HTML = re.compile(rb"<!doctype html|<html|<head|<body", re.IGNORECASE)


def identify(head: bytes) -> Format:
    """The format of a file that starts with `head`, its first SNIFF_BYTES bytes or fewer.

    Raises Rejected: empty_file; unsupported_format, naming a format of pictures that is not
    decoded here; not_an_image for everything else.
    """
    if not head:
        raise Rejected(RejectReason.EMPTY_FILE, "the file has no bytes")
    if (known := _decoded_format(head)) is not None:
        return known
    if (name := _other_image(head)) is not None:
        raise Rejected(RejectReason.UNSUPPORTED_FORMAT, f"{name} is not decoded here")
    raise Rejected(RejectReason.NOT_AN_IMAGE, f"looks like {_other_file(head)}")


def _decoded_format(head: bytes) -> Format | None:
    for magic, name in _DECODED.items():
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and _is_bmp_header(head):
        return "BMP"
    return "AVIF" if _brands(head) & {b"avif", b"avis"} else None


def _is_bmp_header(head: bytes) -> bool:
    """`BM` alone also opens many a text: the size of the second header settles it."""
    return len(head) >= 18 and struct.unpack_from("<I", head, 14)[0] in _BMP_HEADER_SIZES


def _brands(head: bytes) -> set[bytes]:
    """Major and compatible brands of an ISO base media file; empty for any other file."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(struct.unpack_from(">I", head)[0], len(head))
    return {head[8:12]} | {head[at : at + 4] for at in range(16, end, 4)}


def _other_image(head: bytes) -> str | None:
    for magic, name in _OTHER_IMAGES.items():
        if head.startswith(magic):
            return name
    if _brands(head) & _HEIF_BRANDS:
        return "HEIC"
    if _PNM.match(head):
        return "PNM"
    if head[40:44] == b" EMF":
        return "EMF"
    opens_as_markup = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    if opens_as_markup and _SVG.search(head) and not _HTML.search(head):
        return "SVG"
    return None


def _other_file(head: bytes) -> str:
    for magic, name in _NOT_IMAGES.items():
        if head.startswith(magic):
            return name
    if _brands(head):
        return "a film or audio file (MP4 family)"
    if head[:4] == b"RIFF":
        return "a film or audio file (RIFF)"
    if _HTML.search(head):
        return "an HTML page"
    return "text" if _is_text(head) else "no known format"


def _is_text(head: bytes) -> bool:
    # A multi-byte character may be cut at the end of the head: ignore what it leaves.
    text = head.decode("utf-8", "ignore")
    lost = len(head) - len(text.encode())
    return bool(text) and lost <= 3 and all(c.isprintable() or c.isspace() for c in text)
