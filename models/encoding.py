"""Both halves of an encoding, for callers who have all their texts or pictures at hand."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from models.types import Embeddings, Encoder

_TEXTS_AT_ONCE = 64


def encode_texts(encoder: Encoder, texts: Sequence[str]) -> Embeddings:
    """Shape (len(texts), dim). Raises InvalidInput for a text with nothing to encode."""
    tokens = encoder.tokenize(texts)
    if len(tokens) <= _TEXTS_AT_ONCE:
        return encoder.encode_tokens(tokens)
    # Texts of like length together: a batch is padded to its longest.
    order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
    embeddings = np.empty((len(tokens), encoder.spec.dim), np.float32)
    for start in range(0, len(order), _TEXTS_AT_ONCE):
        rows = order[start : start + _TEXTS_AT_ONCE]
        embeddings[rows] = encoder.encode_tokens([tokens[row] for row in rows])
    return embeddings


def encode_images(encoder: Encoder, images: Sequence[Image.Image]) -> Embeddings:
    """Shape (len(images), row_dim); the images are RGB and upright."""
    return encoder.encode_pixels([encoder.to_pixels(image) for image in images])
