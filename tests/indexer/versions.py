"""Versions built of synthetic vectors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import faiss
import numpy as np

from indexer.building.build import build_version
from indexer.building.index_spec import IndexFamily
from indexer.building.places import CHUNK, BuildInput, BuildOptions
from indexer.columns.collect import collect
from indexer.layout import CollectionFolder
from indexer.versions import verified
from indexer.versions.manifest import read_manifest
from models.types import Embeddings

DIM = 64
SMALL = BuildOptions(bytes_per_vector=24)
"""A bit a dimension, and quick to train."""


def pictures(count: int, dim: int = DIM, seed: int = 0) -> Embeddings:
    """Unit vectors around 200 centres, as pictures of 200 kinds of thing would be."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(200, dim))
    return _unit(centres[random.integers(200, size=count)] + 0.6 * random.normal(size=(count, dim)))


def texts(count: int, dim: int = DIM, seed: int = 99) -> Embeddings:
    """As far from pictures as texts are: shifted all the same way, and less sure of the kind."""
    gap = _unit(np.random.default_rng(8).normal(size=(1, dim)))
    blurred = pictures(count, dim, seed) + pictures(count, dim, seed + 1)
    return _unit(blurred + 1.5 * gap)


def ids_of(count: int) -> np.ndarray:
    """Ascending, with gaps."""
    return np.arange(count, dtype=np.int64) * 3 + 5


def made_from(
    vectors: Embeddings, family: IndexFamily = IndexFamily.AUTO, floor: float = 0.9
) -> BuildInput:
    def chunks() -> Iterator[np.ndarray]:
        for start in range(0, len(vectors), CHUNK):
            yield vectors[start : start + CHUNK].astype(np.float16)

    return BuildInput(
        model="tiny",
        encoder_fingerprint="f",
        dim=vectors.shape[1],
        change_number=1,
        ids=ids_of(len(vectors)),
        chunks=chunks,
        text_queries=lambda: texts(200, vectors.shape[1]),
        family=family,
        floor=floor,
        attributes=collect({"number": number} for number in range(len(vectors))),
    )


def build(root: Path, source: BuildInput, options: BuildOptions = SMALL) -> Path:
    """The folder of the finished version."""
    collection = CollectionFolder(root)
    with one_thread():
        built = build_version(collection, source, options, lambda _: None)
    return collection.version(built.name)


@contextmanager
def one_thread() -> Iterator[None]:
    """FAISS's threads wait for one another where others use the cores too: 21 s instead of 1."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def flip(file: Path, bit: int = 0) -> None:
    data = bytearray(file.read_bytes())
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    file.write_bytes(data)


def hide_damage(folder: Path) -> None:
    """Make a version seem verified as it is, as where a disk fails under a file's own times."""
    verified._remember(folder, verified._stats(folder, read_manifest(folder)))


def _unit(rows: np.ndarray) -> Embeddings:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
