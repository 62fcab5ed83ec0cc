"""Pictures by number: 8 × 8 random pixels each, so that every picture is its own nearest."""

import hashlib
import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.tiny_encoder import TinyEncoder

_SIDE = 8


def painting(number: int) -> Image.Image:
    random = np.random.default_rng(number)
    return Image.fromarray(random.integers(0, 256, (_SIDE, _SIDE, 3), np.uint8))


@cache
def png(number: int) -> bytes:
    encoded = io.BytesIO()
    painting(number).save(encoded, "PNG")
    return encoded.getvalue()


@cache
def content_hash(number: int) -> str:
    return hashlib.sha256(png(number)).hexdigest()


@cache
def embedding(number: int) -> NDArray[np.float32]:
    """Shape (dim,): the tiny encoder's, of its first edition."""
    encoder = TinyEncoder()
    return encoder.encode_pixels([encoder.to_pixels(painting(number))])[0]


def cosine(one: int, other: int) -> float:
    """Of two pictures, by either edition: see bench/crashes/noongil.py."""
    return float(embedding(one) @ embedding(other))
