"""Embeddings to search whose true neighbours are known.

clustered  as embeddings of images are: 2,000 clusters of Zipf's sizes (rank^-0.6), centres and
           noise within a cluster with decaying spectra (rank^-0.35, rank^-0.6) under one random
           rotation, and a direction that all share (0.8): the images' cone
hard       1,000 clusters of equal sizes and noise of the same strength, 0.7, in all dimensions:
           nothing for a quantizer to hold on to

All are of unit length. Queries come from the same distribution ("image"), or are pushed off it
as texts are ("text"): 0.4 of such a vector, a direction that all texts share, and 0.5 of noise.
Vectors are made in chunks of one seed each: fewer rows are the first of more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.backends.base import Modality
from indexer.backends.stored_vectors import map_vectors
from indexer.building.ground_truth import exact_neighbours
from models.types import Embeddings

K = 10
_QUERIES = 1_000
_CALIBRATION_TEXTS = 400
_CHUNK = 50_000
_FIXED, _ASKED, _STORED = 0, 1, 2
"""Seeds: of what all vectors share, of the queries, of the vectors."""

Sampler = Callable[[np.random.Generator, int], Embeddings]


@dataclass(frozen=True)
class Dataset:
    name: str
    path: Path
    rows: int
    dim: int
    calibration_texts: Embeddings
    queries: Mapping[Modality, Embeddings]
    """Each (1,000, dim)."""
    truth: Mapping[Modality, NDArray[np.int64]]
    """Rows of the nearest, (1,000, 10)."""

    @property
    def vectors(self) -> NDArray[np.float16]:
        """Shape (rows, dim), memory-mapped."""
        return map_vectors(self.path, (self.rows, self.dim))

    def __str__(self) -> str:
        return f"{self.name}, {self.rows:,} × {self.dim}"


def load(cache: Path, name: str, rows: int, dim: int) -> Dataset:
    """From the cache folder, or made and kept there."""
    sample = SAMPLERS[name](dim)
    vectors = cache / f"{name}-{dim}.f16"
    if not vectors.exists() or vectors.stat().st_size < rows * dim * 2:
        _write(vectors, sample, rows)
    random = np.random.default_rng(_ASKED)
    near = sample(random, _QUERIES)
    texts = _shifted(random, sample(random, _QUERIES + _CALIBRATION_TEXTS))
    queries: dict[Modality, Embeddings] = {"image": near, "text": texts[:_QUERIES]}
    truth = _truth(cache / f"{name}-{dim}-{rows}.npz", map_vectors(vectors, (rows, dim)), queries)
    return Dataset(name, vectors, rows, dim, texts[_QUERIES:], queries, truth)


def _write(path: Path, sample: Sampler, rows: int) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        for start in range(0, rows, _CHUNK):
            chunk = sample(np.random.default_rng((_STORED, start)), _CHUNK)
            chunk[: rows - start].astype(np.float16).tofile(file)
    part.rename(path)


def _truth(
    path: Path, vectors: NDArray[np.float16], queries: Mapping[Modality, Embeddings]
) -> dict[Modality, NDArray[np.int64]]:
    if not path.exists():
        together = np.concatenate([queries["image"], queries["text"]])
        image, text = np.split(exact_neighbours(vectors, together, K), 2)
        part = path.with_suffix(".part.npz")
        np.savez(part, image=image, text=text)
        part.rename(path)
    with np.load(path) as stored:
        return {modality: stored[modality] for modality in queries}


def _clustered(dim: int) -> Sampler:
    fixed, rank = np.random.default_rng(_FIXED), np.arange(1, dim + 1, dtype=np.float32)
    centres = _normal(fixed, 2_000, dim) * rank**-0.35
    spectrum = rank**-0.6
    spectrum *= 0.8 * np.linalg.norm(centres, axis=1).mean() / np.linalg.norm(spectrum)
    rotation = np.linalg.qr(_normal(fixed, dim, dim))[0]
    sizes = np.arange(1.0, len(centres) + 1) ** -0.6
    shares = sizes / sizes.sum()
    common = 0.8 * _unit(_normal(fixed, 1, dim))

    def sample(random: np.random.Generator, count: int) -> Embeddings:
        clusters = random.choice(len(centres), count, p=shares)
        rows = centres[clusters] + _normal(random, count, dim) * spectrum
        return _unit(_unit(rows @ rotation) + common)

    return sample


def _hard(dim: int) -> Sampler:
    centres = _normal(np.random.default_rng(_FIXED), 1_000, dim)

    def sample(random: np.random.Generator, count: int) -> Embeddings:
        clusters = random.integers(len(centres), size=count)
        return _unit(centres[clusters] + 0.7 * _normal(random, count, dim))

    return sample


SAMPLERS = {"clustered": _clustered, "hard": _hard}


def _shifted(random: np.random.Generator, rows: Embeddings) -> Embeddings:
    common = _unit(_normal(random, 1, rows.shape[1]))
    return _unit(0.4 * rows + common + 0.5 * _unit(_normal(random, *rows.shape)))


def _normal(random: np.random.Generator, count: int, dim: int) -> Embeddings:
    return random.standard_normal((count, dim), np.float32)


def _unit(rows: Embeddings) -> Embeddings:
    unit: Embeddings = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
