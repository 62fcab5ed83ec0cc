"""An encoder that makes of a picture a row of embeddings: of the whole, then of its regions.

To those who keep rows by the encoder's fingerprint this is another encoder, whose rows are wider.
Texts are embedded as ever: a text is compared with each part of a row.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import ceil

import numpy as np
from PIL import Image

from models.batching.engine import in_halves
from models.regions.schemes import RegionScheme
from models.types import Embeddings, EncoderSpec, LoadedEncoder, Pixels, Tokens, ToPixels

_AT_ONCE = 64
"""Regions in a forward pass."""
_SHAPE = np.dtype("<i4")


class RegionEncoder:
    """See `models.types.LoadedEncoder`. A picture's pixels are those of its regions, one after the
    other, behind their heights and widths.
    """

    def __init__(self, inner: LoadedEncoder, scheme: RegionScheme) -> None:
        self._inner = inner
        self._scheme = scheme
        self._spec = region_spec(inner.spec, scheme)

    @property
    def spec(self) -> EncoderSpec:
        return self._spec

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        return self._inner.tokenize(texts)

    def encode_tokens(self, batch: Sequence[Tokens]) -> Embeddings:
        return self._inner.encode_tokens(batch)

    def to_pixels(self, image: Image.Image) -> Pixels:
        return _pixels_of_parts(self._inner.to_pixels, self._scheme, image)

    @property
    def portable_pixels(self) -> ToPixels:
        return partial(_pixels_of_parts, self._inner.portable_pixels, self._scheme)

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        """Shape (len(batch), regions · dim)."""
        parts = [part for pixels in batch for part in _parted(pixels, self._scheme.count)]
        encoded = [
            in_halves(self._inner.encode_pixels, parts[start : start + _AT_ONCE])
            for start in range(0, len(parts), _AT_ONCE)
        ]
        rows = np.concatenate([np.empty((0, self._spec.dim), np.float32), *encoded])
        return rows.reshape(len(batch), self._spec.row_dim)

    def warm_up(self, max_texts: int, max_tokens: int) -> None:
        self._inner.warm_up(max_texts, max_tokens)


def region_spec(inner: EncoderSpec, scheme: RegionScheme) -> EncoderSpec:
    """That of an encoder by regions. Its image size is what a whole picture should have, so that
    a region has the inner encoder's.
    """
    described = f"{inner.fingerprint} regions {scheme.identity}"
    return replace(
        inner,
        id=f"{inner.id}+{scheme.name}",
        image_size=ceil(inner.image_size * scheme.magnification),
        fingerprint=hashlib.sha256(described.encode()).hexdigest(),
        regions=scheme.count,
    )


def _pixels_of_parts(to_pixels: ToPixels, scheme: RegionScheme, image: Image.Image) -> Pixels:
    parts = [to_pixels(part) for part in scheme.cut(image)]
    shapes = np.array([part.shape[:2] for part in parts], _SHAPE)
    return np.concatenate([shapes.view(np.uint8).ravel(), *(part.ravel() for part in parts)])


def _parted(pixels: Pixels, count: int) -> list[Pixels]:
    head = 2 * count * _SHAPE.itemsize
    shapes = pixels[:head].view(_SHAPE).reshape(count, 2).tolist()
    ends = np.cumsum([3 * height * width for height, width in shapes])[:-1]
    flat = np.split(pixels[head:], ends)
    return [part.reshape(*shape, 3) for part, shape in zip(flat, shapes, strict=True)]
