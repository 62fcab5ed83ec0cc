"""An encoder for tests of everything but meaning: instant, deterministic, real vectors.

A picture's embedding is its 8 × 8 thumbnail, so that like pictures are near; a text's is
random, but the same for the same text. Colour words stand for a picture of that colour.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageColor

from models.config import EncoderOptions
from models.errors import InvalidInput, UnknownModel
from models.types import Embeddings, EncoderSpec, Pixels, Tokens, ToPixels

_SIDE = 8
_COLOURS = {"빨강": "red", "초록": "green", "파랑": "blue"}


class TinyEncoder:
    def __init__(self, edition: str = "1") -> None:
        name = "tiny" if edition == "1" else f"tiny:{edition}"
        fingerprint = hashlib.sha256(name.encode()).hexdigest()
        self.spec = EncoderSpec(
            id=name,
            dim=3 * _SIDE**2,
            image_size=_SIDE,
            fingerprint=fingerprint,
            licence="Apache-2.0",
            languages=("ko", "en"),
            text_lengths=(8, 16, 32, 1024),
        )
        self.images_encoded = 0

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        if any(not text.strip() for text in texts):
            raise InvalidInput("the text is blank")
        return [np.array([ord(character) for character in text], np.int32) for text in texts]

    def encode_tokens(self, batch: Sequence[Tokens]) -> Embeddings:
        return np.stack([self._text("".join(map(chr, tokens))) for tokens in batch])

    def to_pixels(self, image: Image.Image) -> Pixels:
        return _thumbnail(image)

    @property
    def portable_pixels(self) -> ToPixels:
        return _thumbnail

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        self.images_encoded += len(batch)
        return _unit(_features(batch))

    def warm_up(self, max_texts: int, max_tokens: int) -> None:
        pass

    def _text(self, text: str) -> Embeddings:
        colour = _COLOURS.get(text, text)
        if colour in ImageColor.colormap:
            picture = Image.new("RGB", (_SIDE, _SIDE), colour)
            return _unit(_features([self.to_pixels(picture)]))[0]
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        return _unit(np.random.default_rng(seed).normal(size=(1, self.spec.dim)))[0]


def load(name: str, _: EncoderOptions) -> TinyEncoder:
    if name not in {"", "2"}:
        raise UnknownModel(f"unknown model 'tiny:{name}'")
    return TinyEncoder(name or "1")


def _thumbnail(image: Image.Image) -> Pixels:
    return np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX))


def _features(batch: Sequence[Pixels]) -> Embeddings:
    return np.stack(batch).reshape(len(batch), -1).astype(np.float32) / 255 + 0.01


def _unit(rows: Embeddings) -> Embeddings:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
