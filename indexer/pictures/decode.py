"""Bytes of unknown origin → an upright RGB picture, or a reason why not."""

import io
import types
from contextlib import nullcontext
from dataclasses import dataclass
from math import ceil

from PIL import (
    AvifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from indexer.errors import Rejected, RejectReason
from indexer.pictures.colour import to_srgb
from indexer.pictures.containers import check_parts, check_scans, cut_short
from indexer.pictures.sniff import SNIFF_BYTES, Format, identify
from indexer.room import Room

MAX_PIXELS_CEILING = 200_000_000
"""No DecodeLimits may allow more. Some Pillow openers (WebP, GIF) allocate the canvas before
the size can be asked for; Pillow's own guard, set below, bounds those."""

WIDE_MARGIN, NARROW_MARGIN = 2.0, 1.3
"""How many times `min_side_hint` the short side of a scaled JPEG decode is at least. The wide
margin costs no accuracy that can be measured; where it would allow 1/2 at most, the narrow one
makes that 1/4. docs/decisions/0009-embedding-pipeline.md has the numbers.
"""

# Pillow's guard is one number a process and raises over twice that number, so the bound that
# differs from call to call is checked here and this is only the ceiling.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS_CEILING // 2
# A decode pool runs one decode a core already; the default is a thread a core for each file.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# Pillow warns of odd metadata with texts that differ from file to file: each stays in a registry
# for ever, and where warnings are errors a good picture would be lost. warnings.catch_warnings
# swaps the filters of all threads, so the modules that warn get a mute in their place instead.
_MUTE = types.SimpleNamespace(warn=lambda *_args, **_kwargs: None)
for _module in (Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin):
    vars(_module)["warnings"] = _MUTE
# Imported to be registered: Pillow would otherwise load all of its 43 openers at the first WebP.
_REGISTERED = (AvifImagePlugin, WebPImagePlugin)

_BYTES_A_PIXEL = 13
"""The most that decoding was measured to take, see DecodeLimits."""

_COEFFICIENTS = 8
"""Bytes a pixel of a progressive JPEG, which is held whole, however small it is decoded: four
channels of 16 bits. Measured with three, at 49 megapixels: 284 MB.
"""

_MAX_OVERDRAW = 16
_TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 322, 323
_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What a file may ask for. `max_bytes` of file; `max_pixels` of width × height and
    `max_side` pixels either way, both as the header declares them, before decoding.

    Measured peak of a decode at 100 megapixels: 0.8 GB for RGB, 1.3 GB with transparency or in
    32-bit grey.
    """

    max_bytes: int = 256 * 1024 * 1024
    max_pixels: int = 100_000_000
    max_side: int = 65_535

    def __post_init__(self) -> None:
        if not 0 < self.max_pixels <= MAX_PIXELS_CEILING:
            raise ValueError(f"max_pixels must be within 1 … {MAX_PIXELS_CEILING}")


@dataclass(frozen=True, slots=True)
class Decoded:
    """`image` is RGB, sRGB, upright, without metadata; smaller than `width` × `height`, the
    upright size in pixels of the original, where a scaled decode was asked for.
    """

    image: Image.Image
    format: Format
    width: int
    height: int


def decode(
    data: bytes,
    *,
    limits: DecodeLimits,
    min_side_hint: int | None = None,
    room: Room | None = None,
) -> Decoded:
    """The first frame or page of a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF file.

    With `min_side_hint`, in pixels, a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size;
    its short side stays above the hint by one of the margins. With `room`, waits
    until it has place for the picture. Safe to call from several threads.

    Raises Rejected: empty_file, not_an_image, unsupported_format, file_too_large,
    too_many_pixels, truncated, corrupt.
    """
    if len(data) > limits.max_bytes:
        raise Rejected(RejectReason.FILE_TOO_LARGE, f"{len(data)} bytes")
    form = identify(data[:SNIFF_BYTES])
    try:
        check_parts(form, data)
        return _decode(form, data, limits, min_side_hint, room)
    except Rejected:
        raise
    except Image.DecompressionBombError as error:
        rejected = Rejected(RejectReason.TOO_MANY_PIXELS, str(error))
    except Exception as error:  # noqa: BLE001 - decoders of hostile bytes raise anything
        rejected = Rejected(_reason(form, data, error), _detail(form, error))
    # Raised out here, so that it does not keep the half-decoded picture alive as its context.
    raise rejected


def _decode(
    form: Format, data: bytes, limits: DecodeLimits, min_side: int | None, room: Room | None
) -> Decoded:
    with Image.open(io.BytesIO(data), formats=(form,)) as image:
        width, height = image.size
        _check_size(width, height, limits)
        _check_work(image, limits)
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            if "progressive" in image.info:
                check_scans(data)
            if min_side:
                side = _smallest_side(min(image.size), min_side)
                image.draft(None, (side, side))
        with room.holding(_work_bytes(image, width * height)) if room else nullcontext():
            image.load()
            orientation = _orientation(image)
            upright = to_srgb(image)
            if orientation in _UPRIGHT:
                upright = upright.transpose(_UPRIGHT[orientation])
    if orientation >= 5:
        width, height = height, width
    upright.info.clear()
    return Decoded(upright, form, width, height)


def _smallest_side(short: int, hint: int) -> int:
    margin = WIDE_MARGIN if short >= 4 * WIDE_MARGIN * hint else NARROW_MARGIN
    return ceil(margin * hint)


def _check_size(width: int, height: int, limits: DecodeLimits) -> None:
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise Rejected(RejectReason.TOO_MANY_PIXELS, f"{width} × {height} pixels")


def _check_work(image: ImageFile.ImageFile, limits: DecodeLimits) -> None:
    """A few kilobytes can ask for the same pixels a thousand times, or for one tile far larger
    than the picture it belongs to.
    """
    boxes = [tile.extents for tile in image.tile if tile.extents]
    drawn = sum((right - left) * (lower - upper) for left, upper, right, lower in boxes)
    if len(boxes) > 1 and drawn > _MAX_OVERDRAW * image.width * image.height:
        raise Rejected(RejectReason.CORRUPT, "tiles overlap many times over")
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tile = [image.tag_v2.get(tag, 1) for tag in (_TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH)]
        if tile[0] * tile[1] > limits.max_pixels:
            raise Rejected(RejectReason.TOO_MANY_PIXELS, f"tiles of {tile[0]} × {tile[1]} pixels")


def _work_bytes(image: ImageFile.ImageFile, pixels: int) -> int:
    """`pixels` of the file, of which a scaled decode makes fewer."""
    kept = pixels * _COEFFICIENTS if "progressive" in image.info else 0
    return image.width * image.height * _BYTES_A_PIXEL + kept


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 where there is none or the EXIF data is broken."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF must not lose the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _reason(form: Format, data: bytes, error: Exception) -> RejectReason:
    if "truncated" in str(error).lower() or cut_short(form, data):
        return RejectReason.TRUNCATED
    return RejectReason.CORRUPT


def _detail(form: Format, error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # its text holds a memory address
        return f"{form}: the header cannot be read"
    return f"{form}: {type(error).__name__}: {error}"
