"""The types that every encoder, and everything that uses one, agrees on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Embeddings = NDArray[np.float32]
"""Shape (n, dim), float32, rows L2-normalised: an inner product is a cosine."""

Pixels = NDArray[np.float32]
"""What an image tower eats: shape (3, height, width), resized and normalised."""


@dataclass(frozen=True)
class EncoderSpec:
    """What is fixed about an encoder. The fingerprint guards collections: vectors
    of two encoders with different fingerprints are never compared.
    """

    id: str
    dim: int
    image_size: int
    fingerprint: str
    licence: str
    languages: tuple[str, ...]


class Encoder(Protocol):
    """Two towers, one space. Safe to call from several threads at once.

    `to_pixels` is the CPU half of image encoding, to be run in decode threads;
    `encode_pixels` is the forward pass. `encode_images` is the two together.
    """

    @property
    def spec(self) -> EncoderSpec: ...

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Shape (len(texts), dim). Raises InvalidInput for a text with nothing to encode."""
        ...

    def to_pixels(self, image: Image.Image) -> Pixels:
        """An RGB picture, upright, to the tower's input."""
        ...

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        """Shape (len(batch), dim)."""
        ...


class TextEmbedder(Protocol):
    """Text to embeddings from asynchronous code: an encoder in this process, or a worker."""

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Shape (len(texts), dim). Raises InvalidInput for a text with nothing to encode."""
        ...


def encode_images(encoder: Encoder, images: Sequence[Image.Image]) -> Embeddings:
    """Shape (len(images), dim); the images are RGB and upright."""
    return encoder.encode_pixels([encoder.to_pixels(image) for image in images])
