"""Decoding: a good picture looks in the index as it looks to people; a bad one says why."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from indexer.errors import Rejected, RejectReason
from indexer.pictures.decode import MAX_PIXELS_CEILING, Decoded, DecodeLimits, decode
from indexer.pictures.sniff import FORMATS
from tests.indexer.pictures.hostile import encoded, picture

LIMITS = DecodeLimits()
# Of 255. Two pictures that differ are 60 apart; chroma subsampling alone makes 9.
CLOSE = 12
RED, GREEN, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (255, 255, 255), (0, 0, 0)
_UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def decoded(image: Image.Image, form: str, **options: object) -> Decoded:
    return decode(encoded(image, form, **options), limits=LIMITS)


def distance(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of the bands, 0 to 255."""
    pair = [np.asarray(image.convert("RGB"), dtype=np.int16) for image in (one, other)]
    return float(np.abs(pair[0] - pair[1]).mean())


def near(pixel: object, colour: tuple[int, int, int], tolerance: int = 4) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_looks_as_it_was_saved(form: str) -> None:
    result = decoded(picture(), form)
    assert (result.format, result.width, result.height) == (form, 64, 48)
    assert result.image.mode == "RGB"
    assert distance(result.image, picture()) < CLOSE


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_phone_picture_is_upright(form: str, orientation: int) -> None:
    upright = Image.new("RGB", (48, 32), "white")
    upright.paste(RED, (0, 0, 16, 16))
    upright.paste(GREEN, (32, 0, 48, 16))
    undo = _UNDO[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = upright if undo is None else upright.transpose(undo)
    result = decoded(stored, form, exif=exif)
    assert (result.width, result.height) == result.image.size == (48, 32)
    assert near(result.image.getpixel((6, 6)), RED, 40)
    assert near(result.image.getpixel((40, 6)), GREEN, 40)
    assert near(result.image.getpixel((6, 26)), WHITE, 40)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + b"x" * 50]
)
def test_broken_exif_does_not_lose_the_picture(exif: bytes) -> None:
    for form in ("JPEG", "PNG", "WEBP"):
        assert distance(decoded(picture(), form, exif=exif).image, picture()) < CLOSE


def test_an_orientation_survives_other_broken_exif() -> None:
    # Orientation 6, then a tag whose data lies beyond the end.
    entries = bytes.fromhex("1201030001000000060000000f0102000010000000ffff00")
    exif = b"Exif\0\0II*\0\x08\0\0\0\2\0" + entries + bytes(4)
    assert decoded(picture(), "JPEG", exif=exif).image.size == (48, 64)


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_print_colours_are_not_inverted(form: str) -> None:
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert near(decoded(ink, form).image.getpixel((8, 8)), RED)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(8, 0)
    for form in ("PNG", "TIFF"):
        row = np.asarray(decoded(Image.fromarray(ramp), form).image)[0, :, 0]
        assert np.abs(row.astype(int) - np.arange(256)).max() <= 1
    big_endian = Image.frombytes("I;16B", (256, 8), ramp.astype(">u2").tobytes())
    assert np.asarray(decoded(big_endian, "TIFF").image)[0, 128, 0] in (127, 128, 129)


@pytest.mark.parametrize("scale", [1.0, 255.0, 65535.0, 1e9])
def test_floats_and_long_integers_use_their_own_range(scale: float) -> None:
    ramp = (np.linspace(0, 1, 256)[None].repeat(4, 0) * scale).astype(np.float32)
    row = np.asarray(decoded(Image.fromarray(ramp), "TIFF").image)[0, :, 0]
    assert np.abs(row.astype(int) - np.arange(256)).max() <= 1
    if scale > 1:
        row = np.asarray(decoded(Image.fromarray(ramp.astype(np.int32)), "TIFF").image)[0, :, 0]
        assert np.abs(row.astype(int) - np.arange(256)).max() <= 1


def test_negative_values_and_extremes_are_stretched() -> None:
    for values in ([-1e38, 0.0, 1e38], [-3e38, 0.0, 3e38], [-4e-45, 0.0, 4e-45]):
        ramp = np.array([values], dtype=np.float32)
        row = np.asarray(decoded(Image.fromarray(ramp), "TIFF").image)[0, :, 0]
        assert row.tolist() == [0, 128, 255]


def test_what_is_not_a_number_is_black() -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 1.0]], dtype=np.float32)
    assert np.asarray(decoded(Image.fromarray(values), "TIFF").image)[0, :, 0].tolist() == [
        0,
        0,
        0,
        255,
    ]


def _half_transparent(mode: str) -> Image.Image:
    """Left half opaque red (or black), right half transparent black."""
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 8, 16))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("RGBA", "PNG"),
        ("RGBA", "WEBP"),
        ("RGBA", "TIFF"),
        ("LA", "PNG"),
        ("P", "PNG"),
        ("RGBA", "GIF"),
    ],
)
def test_a_cut_out_product_stands_on_white(mode: str, form: str) -> None:
    image = _half_transparent("RGBA" if mode == "P" else mode)
    if mode == "P":
        image = image.quantize(4)
    result = decoded(image, form).image
    assert near(result.getpixel((12, 8)), WHITE)
    assert mode == "LA" or near(result.getpixel((3, 8)), RED)


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "I;16"])
def test_a_transparent_colour_becomes_white(mode: str) -> None:
    image = Image.new(mode, (8, 8))
    key = (0, 0, 0) if mode == "RGB" else 0
    assert decoded(image, "PNG", transparency=key).image.getpixel((4, 4)) == WHITE


def test_one_bit_pictures_are_black_and_white() -> None:
    image = Image.new("1", (16, 16), 1)
    image.paste(0, (0, 0, 8, 16))
    for form in ("PNG", "TIFF", "BMP"):
        result = decoded(image, form).image
        assert (result.getpixel((2, 2)), result.getpixel((12, 2))) == (BLACK, WHITE)


def test_lab_and_ycbcr_tiffs_keep_their_colours() -> None:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = to_lab.apply(picture())
    lab.info.clear()
    assert distance(decoded(lab, "TIFF").image, picture()) < CLOSE
    assert distance(decoded(picture().convert("YCbCr"), "TIFF").image, picture()) < CLOSE


def _swapped_profile() -> bytes:
    """An RGB profile whose red and green primaries are exchanged: no one can miss it."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = data.index(b"rXYZ", 128), data.index(b"gXYZ", 128)
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data).replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_colour_profile_is_applied(form: str) -> None:
    red = Image.new("RGB", (16, 16), RED)
    pixel = decoded(red, form, icc_profile=_swapped_profile()).image.getpixel((8, 8))
    assert near(pixel, GREEN, 12)


@pytest.mark.parametrize("profile", [b"not a profile", _swapped_profile()[:200], bytes(5000)])
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    result = decoded(Image.new("RGB", (16, 16), RED), "PNG", icc_profile=profile)
    assert result.image.getpixel((8, 8)) == RED


@pytest.mark.parametrize("form", ["GIF", "WEBP", "AVIF", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_shown(form: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN)]
    result = decoded(frames[0], form, save_all=True, append_images=frames[1:])
    assert near(result.image.getpixel((8, 8)), RED, 12)


def test_a_large_jpeg_is_decoded_no_larger_than_needed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture(size=(1600, 1200)), "JPEG", exif=exif)
    result = decode(data, limits=LIMITS, min_side_hint=224)
    assert (result.width, result.height) == (1200, 1600)
    assert result.image.size == (300, 400)
    assert decode(data, limits=LIMITS, min_side_hint=240).image.size == (600, 800)
    assert decode(data, limits=LIMITS, min_side_hint=900).image.size == (1200, 1600)


def test_limits_hold_before_any_pixel_is_decoded() -> None:
    png = encoded(picture(size=(100, 50)), "PNG")
    for limits, reason in [
        (DecodeLimits(max_pixels=4999), RejectReason.TOO_MANY_PIXELS),
        (DecodeLimits(max_side=99), RejectReason.TOO_MANY_PIXELS),
        (DecodeLimits(max_bytes=len(png) - 1), RejectReason.FILE_TOO_LARGE),
    ]:
        with pytest.raises(Rejected) as caught:
            decode(png, limits=limits)
        assert caught.value.reason == reason
    assert decode(png, limits=DecodeLimits(max_pixels=5000, max_side=100)).width == 100
    with pytest.raises(ValueError, match="max_pixels"):
        DecodeLimits(max_pixels=MAX_PIXELS_CEILING + 1)
