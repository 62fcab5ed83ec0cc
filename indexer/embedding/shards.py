"""Shards: embeddings on disk as float16, in files that are whole or absent."""

import hashlib
import io
import secrets
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
    # Through memory: np.save to a file does not notice a full disk at its last flush, and the
    # hash must be of what was meant, not of what arrived.
    encoded = io.BytesIO()
    np.save(encoded, embeddings.astype(np.float16))
    data = encoded.getvalue()
    with atomic_write(path) as file:
        file.write(data)
    return ShardFile(path.name, len(embeddings), hashlib.sha256(data).hexdigest())


def read_shard(folder: Path, path: str) -> NDArray[np.float16]:
    """The shard's (rows, dim), memory-mapped."""
    rows: NDArray[np.float16] = np.load(folder / path, mmap_mode="r")
    return rows


def is_intact(folder: Path, path: str, sha256: str) -> bool:
    file = folder / path
    return file.is_file() and sha256_of(file) == sha256
