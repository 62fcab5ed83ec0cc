"""Shards: embeddings on disk as float16, in files that are whole or absent."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.durable import atomic_write, sha256_of
from models.types import Embeddings


@dataclass(frozen=True)
class ShardFile:
    path: str
    """Relative to the shard folder."""
    rows: int
    sha256: str


def write_shard(folder: Path, embeddings: Embeddings) -> ShardFile:
    """Write (rows, dim) embeddings as a .npy of float16; it is on disk when this returns."""
    path = folder / f"{secrets.token_hex(8)}.npy"
    with atomic_write(path) as file:
        np.save(file, embeddings.astype(np.float16))
    return ShardFile(path.name, len(embeddings), sha256_of(path))


def open_shard(folder: Path, path: str) -> NDArray[np.float16]:
    """The shard's (rows, dim), memory-mapped."""
    return np.load(folder / path, mmap_mode="r")  # type: ignore[no-any-return]


def is_intact(folder: Path, path: str, sha256: str) -> bool:
    file = folder / path
    return file.is_file() and sha256_of(file) == sha256


def remove_unlisted(folder: Path, listed: Iterable[str]) -> int:
    """Delete what no catalog row names: leftovers of a crash. Answers how many."""
    keep = set(listed)
    strays = [file for file in folder.iterdir() if file.name not in keep]
    for file in strays:
        file.unlink()
    return len(strays)
