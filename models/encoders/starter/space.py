"""The space in which the starter's two towers meet: that of distributions over classes.

Both towers end in a distribution over the 1000 ImageNet classes, and the score of a text
with a picture is the inner product of the two: the chance that they drew the same class.
It is ConSE (Norouzi et al. 2014, arXiv:1312.5650) with the mixing done among classes
rather than among word vectors.

A distribution is projected on CLASS_DIM axes, those that keep most of what the
vocabulary tells apart, the minor ones shrunk: a text that matches no phrase closely then
finds the neighbours of the classes it is near. An unsure picture has a short projection,
and scaling it up would put it before a sure one; so the rest of its unit length is spent
on LOOK_DIM further axes, where texts are zero and pictures lie by what they look like.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.types import Embeddings

CLASS_DIM, LOOK_DIM = 672, 96
IMAGE_SHARPNESS = 1.2  # of the softmax over the classifier's logits

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Space:
    """`classes`: (1000, CLASS_DIM) and `looks`: (1000, LOOK_DIM). Columns are orthogonal,
    none is longer than 1.
    """

    classes: Matrix
    looks: Matrix

    def place_texts(self, distributions: Matrix) -> Embeddings:
        """Shape (n, CLASS_DIM + LOOK_DIM) from (n, 1000)."""
        placed = unit(distributions @ self.classes)
        texts: Embeddings = np.pad(placed, ((0, 0), (0, LOOK_DIM)))
        return texts

    def place_images(self, logits: Matrix) -> Embeddings:
        """Shape (n, CLASS_DIM + LOOK_DIM) from (n, 1000)."""
        placed = softmax(IMAGE_SHARPNESS * logits) @ self.classes
        rest = np.sqrt(np.maximum(0, 1 - (placed**2).sum(axis=1, keepdims=True)))
        look = unit((logits - logits.mean(axis=1, keepdims=True)) @ self.looks)
        return unit(np.hstack([placed, rest * look]))


def unit(rows: Matrix) -> Matrix:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    directions: Matrix = (rows / np.maximum(lengths, 1e-12)).astype(np.float32)
    return directions


def softmax(scores: Matrix) -> Matrix:
    """Over the last axis."""
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: Matrix = odds / odds.sum(axis=-1, keepdims=True)
    return shares
