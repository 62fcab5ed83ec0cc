"""From a cosine to a relevance that means the same in every collection.

What a cosine of 0.3 is worth depends on the encoder and on the collection. So each version
stores how everyday queries, most of which have nothing to do with a given image, score
against its images. A hit's relevance says how rare its score is against that background:
reached by one pair in ten, 0.25; one in a hundred, 0.5; one in ten thousand, 1.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from models.types import Embeddings

_SAMPLED_IMAGES = 2_000
_MIN_PAIRS = 100
"""With fewer, quantiles are noise: a handful of images has its cosines for relevances."""
_DECADES = (0, 1, 2, 3, 4)
"""The background is kept as the scores that one pair in 10ⁿ reaches."""


class Background(BaseModel):
    """Scores that one background pair in 1, 10, 100, 1,000 and 10,000 reaches; ascending."""

    reached: list[float]

    def relevance(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines, of any shape, to relevances within 0 … 1."""
        decades = np.interp(scores, self.reached, _DECADES)
        return (decades / _DECADES[-1]).astype(np.float32)


class Backgrounds(BaseModel):
    """Text and image queries score on different scales: one background each."""

    text: Background
    image: Background


def measure_backgrounds(vectors: NDArray[np.float16], texts: Embeddings) -> Backgrounds | None:
    """From the stored (count, regions · dim) embeddings and text queries (n, dim); None without
    images. An image scores what the best of its regions does.
    """
    if not len(vectors):
        return None
    chosen = np.random.default_rng(0).choice(
        len(vectors), min(_SAMPLED_IMAGES, len(vectors)), replace=False
    )
    images = vectors[np.sort(chosen)].astype(np.float32)
    regions = images.reshape(len(images), -1, texts.shape[1])
    regions /= np.linalg.norm(regions, axis=2, keepdims=True)
    between_images = _best(regions[:, 0], regions)[np.triu_indices(len(images), k=1)]
    return Backgrounds(text=_background(_best(texts, regions)), image=_background(between_images))


def _best(queries: Embeddings, regions: Embeddings) -> NDArray[np.float32]:
    """Scores (queries, images) with (images, regions, dim)."""
    best = queries @ regions[:, 0].T
    for region in range(1, regions.shape[1]):
        np.maximum(best, queries @ regions[:, region].T, out=best)
    return best


def _background(scores: NDArray[np.float32]) -> Background:
    if scores.size < _MIN_PAIRS:
        return Background(reached=[decade / _DECADES[-1] for decade in _DECADES])
    reached = np.quantile(scores, [1 - 10.0**-decade for decade in _DECADES])
    # np.interp wants ascending points; a small or uniform background repeats its quantiles.
    steps = np.arange(len(reached)) * 1e-6
    return Background(reached=(np.maximum.accumulate(reached) + steps).tolist())
