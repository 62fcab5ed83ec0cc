"""The types that every encoder, and everything that uses one, agrees on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Embeddings = NDArray[np.float32]
"""Shape (n, dim), float32, rows L2-normalised: an inner product is a cosine."""

Tokens = NDArray[np.int32]
"""A text as its tower reads it: shape (length,), special tokens included, no padding."""

Pixels = NDArray[np.uint8]
"""A picture on its way to its tower: shape (height, width, 3), RGB."""

ToPixels = Callable[[Image.Image], Pixels]


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
    text_lengths: tuple[int, ...]
    """The lengths that texts are padded to, ascending; the last is the longest that is read."""
    logit_scale: float = 100.0
    """What a cosine is multiplied by before a softmax over texts: as it was trained, or measured.
    A hundred is the most that CLIP's training allows, and where it usually ends.
    """
    regions: int = 1
    """Embeddings of a picture, each of unit length: of the whole, then of its parts, see
    `models.regions`.
    """

    @property
    def row_dim(self) -> int:
        """Numbers that a picture becomes."""
        return self.regions * self.dim


class Encoder(Protocol):
    """Two towers, one space; each in two halves. Safe to call from several threads at once.

    `tokenize` and `to_pixels` are work for CPU threads, `encode_tokens` and `encode_pixels`
    are the forward passes, which keep the device busy. What is wrong with an input shows
    in the first half, so that nobody else's input suffers in the second.
    """

    @property
    def spec(self) -> EncoderSpec: ...

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Raises InvalidInput for a text with nothing to encode. Too long a text is cut."""
        ...

    def encode_tokens(self, batch: Sequence[Tokens]) -> Embeddings:
        """Shape (len(batch), dim). Raises OutOfMemory, DeviceLost."""
        ...

    def to_pixels(self, image: Image.Image) -> Pixels:
        """From a picture that is RGB and upright."""
        ...

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        """Shape (len(batch), row_dim). Raises OutOfMemory, DeviceLost."""
        ...

    def warm_up(self, max_texts: int, max_tokens: int) -> None:
        """Do once what the first batches would otherwise wait for.

        Batches will hold at most so many texts and, padding included, so many tokens.
        """
        ...


class LoadedEncoder(Encoder, Protocol):
    """As the registry gives it."""

    @property
    def portable_pixels(self) -> ToPixels:
        """As `to_pixels`, in the fewest bytes. It can be pickled and holds none of the weights: for
        processes that do not encode.
        """
        ...


class Embedder(Protocol):
    """Embeddings for asynchronous code, from an encoder in this process or from a worker.

    Deadlines are seconds of `time.monotonic`. What is raised, beside InvalidInput: Overloaded
    at once where the deadline could not be kept, DeadlineExceeded where it was not,
    EncoderAway and EncodingFailed.
    """

    @property
    def spec(self) -> EncoderSpec: ...

    async def embed_texts(self, texts: Sequence[str], deadline: float) -> Embeddings:
        """Shape (len(texts), dim)."""
        ...

    async def embed_images(self, images: Sequence[Image.Image], deadline: float) -> Embeddings:
        """Shape (len(images), row_dim); the images are RGB and upright."""
        ...

    async def close(self) -> None: ...
