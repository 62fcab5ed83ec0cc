"""An encoder for tests of everything but meaning: instant, deterministic, real vectors.

A picture's embedding is its 8 × 8 thumbnail, so that like pictures are near; a text's is
random, but the same for the same text. Colour words stand for a picture of that colour.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageColor

from models.errors import UnknownModel
from models.types import Embeddings, EncoderSpec, Pixels

_SIDE = 8
_COLOURS = {"빨강": "red", "초록": "green", "파랑": "blue"}


class TinyEncoder:
    def __init__(self, edition: str = "1") -> None:
        name = "tiny" if edition == "1" else f"tiny:{edition}"
        fingerprint = hashlib.sha256(name.encode()).hexdigest()
        self.spec = EncoderSpec(name, 3 * _SIDE**2, _SIDE, fingerprint, "Apache-2.0", ("ko", "en"))
        self.images_encoded = 0

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        return np.stack([self._text(text) for text in texts])

    def to_pixels(self, image: Image.Image) -> Pixels:
        small = image.resize((_SIDE, _SIDE), Image.Resampling.BOX)
        return np.asarray(small, np.float32).transpose(2, 0, 1) / 255 + 0.01

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        self.images_encoded += len(batch)
        return _unit(np.stack(batch).reshape(len(batch), -1))

    def _text(self, text: str) -> Embeddings:
        colour = _COLOURS.get(text, text)
        if colour in ImageColor.colormap:
            picture = Image.new("RGB", (_SIDE, _SIDE), colour)
            return _unit(self.to_pixels(picture).reshape(1, -1))[0]
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        return _unit(np.random.default_rng(seed).normal(size=(1, self.spec.dim)))[0]


def load(name: str) -> TinyEncoder:
    if name not in {"", "2"}:
        raise UnknownModel(f"unknown model 'tiny:{name}'")
    return TinyEncoder(name or "1")


def _unit(rows: Embeddings) -> Embeddings:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
