"""A decoded picture in whatever mode its format gave it → 8-bit sRGB on white."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile

_DEEP_MODES = {"I;16", "I;16L", "I;16B", "I;16N", "I", "F"}
_MODE_OF_PROFILE = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}
# Output profiles of presses reach 2.5 MB; nothing in use is larger.
_MAX_PROFILE_BYTES = 4 * 1024 * 1024


def to_srgb(image: Image.Image) -> Image.Image:
    """Mode RGB, transparency composited on white, colours in sRGB where the picture's ICC
    profile is valid; a broken profile is ignored. May change `image`.
    """
    if image.mode in _DEEP_MODES:
        return _deep_grey(image).convert("RGB")
    profile = image.info.get("icc_profile")
    opaque, alpha = _split_alpha(image)
    rgb = _through_profile(opaque, profile)
    if alpha is None:
        return rgb
    canvas = Image.new("RGB", rgb.size, "white")
    canvas.paste(rgb, mask=alpha)
    return canvas


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if not image.has_transparency_data:
        return (image.convert("RGB") if image.mode == "P" else image), None
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode == "LA":
        return image.getchannel("L"), image.getchannel("A")
    if image.mode == "RGB":
        # A 16-bit PNG names its transparent colour in 16 bits, the pixels are 8-bit by now.
        key = image.info["transparency"]
        if max(key) > 255:
            image.info["transparency"] = tuple(value >> 8 for value in key)
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    return rgba.convert("RGB"), rgba.getchannel("A")


def _through_profile(image: Image.Image, profile: object) -> Image.Image:
    """`image` has neither palette nor alpha."""
    if isinstance(profile, bytes) and 0 < len(profile) <= _MAX_PROFILE_BYTES:
        try:
            converted = _apply_profile(image, profile)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None
        if converted is not None:
            return converted
    if image.mode == "LAB":
        return _transform(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    # A picture still tied to its file is copied, or the file's bytes would live as long as it.
    is_free = image.mode == "RGB" and not isinstance(image, ImageFile.ImageFile)
    return image if is_free else image.convert("RGB")


def _apply_profile(image: Image.Image, data: bytes) -> Image.Image | None:
    """None where the profile is sRGB already or describes another kind of pixels."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
    mode = _MODE_OF_PROFILE.get(profile.profile.xcolor_space)
    if mode is None or "sRGB" in (profile.profile.profile_description or ""):
        return None
    if mode == "RGB":
        return _transform(image.convert("RGB"), profile) if image.mode != "CMYK" else None
    return _transform(image, profile) if image.mode == mode else None


def _transform(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    # The sRGB profile is made anew each time: LittleCMS profiles are not to be shared by threads.
    transform = ImageCms.buildTransform(
        source, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")), image.mode, "RGB"
    )
    return transform.point(image)


def _deep_grey(image: Image.Image) -> Image.Image:
    """More than 8 bits of grey to 8, without clipping.

    16 bits: the format says that 65535 is white, so a dark picture stays dark. 32-bit integers
    and floats have no such rule: white is the first of 1, 255, 65535 that no pixel exceeds, or,
    with negative or larger values, the range found is stretched.
    """
    values: NDArray[Any] = np.asarray(image)
    is_16_bit = image.mode.startswith("I;16")
    eight = (values >> 8).astype(np.uint8) if is_16_bit else _stretched(values)
    key = image.info.get("transparency")
    if isinstance(key, int):
        eight[values == key] = 255
    return Image.fromarray(eight)


def _stretched(values: NDArray[Any]) -> NDArray[np.uint8]:
    """What is not a finite number becomes black."""
    finite = np.isfinite(values)
    eight = np.zeros(values.shape, dtype=np.uint8)
    if not finite.any():
        return eight
    numbers = values[finite]
    black, white = float(numbers.min()), float(numbers.max())
    del numbers
    levels = [level for level in (1.0, 255.0, 65535.0) if white <= level]
    if levels and black >= 0:
        black, white = 0.0, levels[0]
    scale = 255.0 / (white - black) if white > black else 0.0
    # Row by row: in one piece the doubles of 100 megapixels took 2.8 GB.
    for row, known, target in zip(values, finite, eight, strict=True):
        target[known] = np.rint((row[known].astype(np.float64) - black) * scale)
    return eight
