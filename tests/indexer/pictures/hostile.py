"""Fifty files that an attacker, a broken disk or a careless upload puts among the pictures,
and good small pictures in every format. The same bytes each time.
"""

import io
import random
import struct
import zlib
from pathlib import Path

from PIL import Image

from indexer.errors import RejectReason as Why

_PNG = b"\x89PNG\r\n\x1a\n"
_EMPTY_IDAT = zlib.compress(b"")
_SCAN = bytes.fromhex("ffda0008010100013f10") + b"\0"

_GOOD = {
    "jpg": ("JPEG", {"quality": 90}),
    "progressive.jpg": ("JPEG", {"progressive": True}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {}),
    "lossless.webp": ("WEBP", {"lossless": True}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "tif": ("TIFF", {}),
    "lzw.tif": ("TIFF", {"compression": "tiff_lzw"}),
    "avif": ("AVIF", {}),
}


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def picture(seed: int = 0, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A smooth gradient with two rectangles: no two seeds alike, compressible."""
    dice = random.Random(seed)  # noqa: S311 - reproducible, not secret
    bands = [Image.radial_gradient("L").resize(size).rotate(dice.randrange(360)) for _ in "RGB"]
    image = Image.merge("RGB", bands)
    for _ in range(2):
        x, y = dice.randrange(size[0] // 2), dice.randrange(size[1] // 2)
        colour = tuple(dice.randrange(256) for _ in "RGB")
        image.paste(colour, (x, y, x + size[0] // 3, y + size[1] // 3))
    return image


def write_good(folder: Path, n: int) -> list[str]:
    """`n` pictures, the formats by turns; their file names in order."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number in range(n):
        suffix, (form, options) = list(_GOOD.items())[number % len(_GOOD)]
        names.append(f"good-{number:05d}.{suffix}")
        (folder / names[-1]).write_bytes(encoded(picture(number), form, **options))
    return names


def write_hostile(folder: Path) -> dict[str, Why]:
    """Writes the fifty; file name → the reason each is to be rejected with."""
    folder.mkdir(parents=True, exist_ok=True)
    files = _not_images() | _other_formats() | _truncated() | _bombs() | _corrupt()
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    return {name: reason for name, (_, reason) in files.items()}


def _labelled(reason: Why, files: dict[str, bytes]) -> dict[str, tuple[bytes, Why]]:
    return {name: (data, reason) for name, data in files.items()}


def _not_images() -> dict[str, tuple[bytes, Why]]:
    files = {
        "one-byte.png": b"\x89",
        "html.jpg": b"<!DOCTYPE html><html><svg></svg><p>404</p></html>",
        "korean-text.png": "사진이 아니라 글입니다. ".encode() * 9,
        "begins-like-bmp.bmp": b"BMW and BM25 are no bitmaps, whatever their first letters.",
        "random.jpg": random.Random(1).randbytes(4000),  # noqa: S311
        "program.png": b"\x7fELF\2\1\1" + bytes(99),
        "archive.jpg": b"PK\3\4" + bytes(99),
        "film.jpg": b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + bytes(99),
        "sound.webp": b"RIFF\x24\0\0\0WAVEfmt " + bytes(99),
    }
    return {"empty.jpg": (b"", Why.EMPTY_FILE)} | _labelled(Why.NOT_AN_IMAGE, files)


def _other_formats() -> dict[str, tuple[bytes, Why]]:
    files = {
        "drawing.png": b'\xef\xbb\xbf<?xml version="1.0"?><svg><use href="#a"/></svg>',
        "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file\n",
        "layers.jpg": b"8BPS\0\1" + bytes(99),
        "icon.png": b"\0\0\1\0\1\0\x10\x10" + bytes(99),
        "paper.jpg": b"%PDF-1.7\n1 0 obj\n",
        "phone.jpg": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99),
        "jpeg2000.jpg": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99),
        "portable.png": b"P6\n60000 60000\n255\n",
    }
    return _labelled(Why.UNSUPPORTED_FORMAT, files)


def _truncated() -> dict[str, tuple[bytes, Why]]:
    image = picture()
    whole = {form: encoded(image, form) for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")}
    tiff, lzw = encoded(image, "TIFF"), encoded(image, "TIFF", compression="tiff_lzw")
    files = {f"half.{form.lower()}": data[: len(data) // 2] for form, data in whole.items()}
    files |= {
        "start-only.jpg": b"\xff\xd8\xff",
        "last-bytes-missing.jpg": whole["JPEG"][:-40],
        "signature-only.png": _PNG,
        "cut-in-header.png": whole["PNG"][:24],
        "cut-in-header.webp": whole["WEBP"][:24],
        "no-frames.gif": whole["GIF"][:13],
        "half.tif": tiff[: len(tiff) // 2],
        "no-directory.tif": lzw[: len(lzw) // 2],
    }
    return _labelled(Why.TRUNCATED, files)


def _bombs() -> dict[str, tuple[bytes, Why]]:
    small = encoded(picture(), "AVIF")
    size_box = small.index(b"ispe") + 8
    avif = small[:size_box] + struct.pack(">II", 14000, 14000) + small[size_box + 8 :]
    jpeg = bytearray(encoded(picture(), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 65500, 65500)
    files = {
        "bomb-13000.png": _png(13000, 13000, zlib.compress(bytes(13000 * 1626), 9), depth=1),
        "two-billion-wide.png": _png(2**31 - 1, 1, _EMPTY_IDAT),
        "thin.png": _png(70000, 1, zlib.compress(bytes(70001)), depth=8),
        "bomb.jpg": bytes(jpeg),
        "bomb.tif": _tiff({256: 60000, 257: 60000, 258: 8, 262: 1, 273: 8, 279: 99}),
        "huge-tile.tif": _tiff(
            {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 322: 60000, 323: 60000, 324: 8, 325: 99}
        ),
        "bomb.gif": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\1\0;",
        # The frame is larger than the canvas, and to be disposed of: Pillow fills it on opening.
        "frame-beyond-canvas.gif": b"GIF89a\1\0\1\0\0\0\0!\xf9\4\x08\0\0\0\0,\0\0\0\0"
        b"\x60\xea\x60\xea\0\x08\1\0;",
        "bomb.webp": _webp_canvas(16000, 16000),
        "bomb.bmp": b"BM"
        + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, 40000, 40000, 1, 24, *[0] * 6),
        "bomb.avif": avif,
    }
    return _labelled(Why.TOO_MANY_PIXELS, files)


def _corrupt() -> dict[str, tuple[bytes, Why]]:
    png = encoded(picture(), "PNG")
    jpeg = encoded(picture(), "JPEG", progressive=True)
    rows = zlib.compress(bytes(8 * 25))
    bomb = zlib.compress(bytes(4_000_000), 9)
    cyclic = _tiff({256: 64, 330: 8}, following=8)
    files = {
        "bad-crc.png": png[:30] + b"\0" + png[31:],
        "bad-zlib.png": _png(8, 8, b"\x78\x9cnot deflate at all"),
        "text-bomb.png": _png(8, 8, rows, _chunk(b"iTXt", b"a\0\1\0\0\0" + bomb)),
        "profile-bomb.png": _png(8, 8, rows, _chunk(b"iCCP", b"a\0\0" + bomb)),
        "scan-bomb.jpg": jpeg[:-2] + _SCAN * 5000 + jpeg[-2:],
        "cyclic-directories.tif": cyclic,
        "polyglot.gif": b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\x63<script>alert(1)</script>;",
    }
    return _labelled(Why.CORRUPT, files)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, pixels: bytes, extra: bytes = b"", depth: int = 8) -> bytes:
    """Greyscale for depth 1, else RGB; `extra` chunks come before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, 0 if depth == 1 else 2, 0, 0, 0)
    return _PNG + _chunk(b"IHDR", header) + extra + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _tiff(tags: dict[int, int], following: int = 0) -> bytes:
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(200)


def _webp_canvas(width: int, height: int) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<II", 10, 0) + size + encoded(picture(), "WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body
