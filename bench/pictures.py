"""Pictures like a camera's: detail at every scale, some noise, hard edges here and there."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

_OCTAVES = ((8, 90), (32, 40), (128, 20), (512, 10))
"""Cells across the picture, and how far the octave moves a pixel, of 127."""


def picture(random: np.random.Generator, width: int, height: int) -> Image.Image:
    canvas = 127 + random.normal(0, 4, (height, width, 1)).repeat(3, axis=2)
    for cells, amplitude in _OCTAVES:
        noise = random.integers(0, 255, (max(2, cells * height // width), cells, 3), np.uint8)
        smooth = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        canvas += (np.asarray(smooth, np.float64) - 127) * (amplitude / 127)
    image = Image.fromarray(canvas.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = random.integers(0, width), random.integers(0, height)
        radius = random.integers(width // 40, width // 6)
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=tuple(int(one) for one in random.integers(0, 255, 3)))
    return image


def jpeg(image: Image.Image) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def write_pictures(folder: Path, count: int, width: int, height: int) -> None:
    """Cuts of one, no two of them equal: to paint each would take longer than to embed it."""
    random = np.random.default_rng(0)
    whole = picture(random, 2 * width, 2 * height)
    for number in range(count):
        left, top = random.integers(0, width), random.integers(0, height)
        cut = whole.crop((left, top, left + width, top + height))
        (folder / f"{number:05}.jpg").write_bytes(jpeg(cut))
