"""What searching by regions costs, beside searching the same images whole.

python -m bench.regions_search [--images 10000] [--dim 256] [--seconds 5]

Synthetic vectors around common centres, regions like their picture. Both versions are built as runs
build them, and asked for ten images at the calibrated setting of recall 0.95, one query at a time.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.index_timing import singly
from indexer.backends.opening import open_version
from indexer.building.build import build_version
from indexer.building.ground_truth import K, exact_neighbours
from indexer.building.index_spec import IndexFamily
from indexer.building.places import CHUNK, BuildInput, BuildOptions
from indexer.layout import CollectionFolder
from models.regions.schemes import split
from models.types import Embeddings

_RECALL = 0.95
_QUERIES = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    scheme = split("any+grid")[1]
    assert scheme is not None
    rows = _rows(given.images, scheme.count, given.dim)
    queries = _unit(_centres(given.dim)[np.arange(_QUERIES) % 500], 0.8)
    table = Table("images", "vectors", "index", "MB", "build s", "p50 ms", "p95 ms", "recall@10")
    for regions in (1, scheme.count):
        stored = rows[:, : regions * given.dim]
        with tempfile.TemporaryDirectory() as work:
            table.add_row(*_measured(Path(work), stored, regions, queries, given.seconds))
    Console(width=120).print(table)


def _measured(
    work: Path, rows: NDArray[np.float16], regions: int, queries: Embeddings, seconds: float
) -> list[str]:
    started = time.perf_counter()
    folder = CollectionFolder(work)
    built = build_version(folder, _input(rows, regions, queries), BuildOptions(), lambda _: None)
    took = time.perf_counter() - started
    manifest, index = open_version(folder.version(built.name))
    timing, found = singly(
        lambda query: index.search(query, K, _RECALL, "text").ids, queries[500:], 200, seconds
    )
    truth = exact_neighbours(rows, queries[500 : 500 + len(found)], K) // regions
    recall = np.mean([len(np.intersect1d(*pair)) / K for pair in zip(found, truth, strict=True)])
    return [
        f"{manifest.count:,}",
        f"{regions * manifest.count:,}",
        manifest.factory,
        f"{manifest.size_bytes / 1e6:.0f}",
        f"{took:.0f}",
        f"{timing.milliseconds(50):.2f}",
        f"{timing.milliseconds(95):.2f}",
        f"{recall:.3f}",
    ]


def _input(rows: NDArray[np.float16], regions: int, queries: Embeddings) -> BuildInput:
    def chunks() -> Iterator[NDArray[np.float16]]:
        return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))

    plain = BuildInput(
        model="synthetic",
        encoder_fingerprint="f",
        dim=rows.shape[1] // regions,
        change_number=1,
        ids=np.arange(len(rows)),
        chunks=chunks,
        text_queries=lambda: queries[:256],
        family=IndexFamily.AUTO,
        floor=_RECALL,
    )
    return replace(plain, regions=regions)


def _rows(images: int, regions: int, dim: int) -> NDArray[np.float16]:
    random = np.random.default_rng(0)
    rows = np.empty((images, regions * dim), np.float16)
    for start in range(0, images, CHUNK // regions):
        some = rows[start : start + CHUNK // regions]
        whole = _centres(dim)[random.integers(500, size=len(some))]
        pictures = _unit(whole, 0.6, int(start))
        parts = np.repeat(pictures[:, None], regions, axis=1)
        parts[:, 1:] = _unit(parts[:, 1:].reshape(-1, dim), 0.7, start + 1).reshape(
            len(some), regions - 1, dim
        )
        some[:] = parts.reshape(len(some), -1)
    return rows


def _centres(dim: int) -> Embeddings:
    return _unit(np.zeros((500, dim), np.float32), 1.0, 7)


def _unit(rows: Embeddings, noise: float, seed: int = 99) -> Embeddings:
    """With noise of that length, and of unit length."""
    length = noise / rows.shape[1] ** 0.5
    shaken = rows + np.random.default_rng(seed).normal(scale=length, size=rows.shape)
    unit: Embeddings = (shaken / np.linalg.norm(shaken, axis=1, keepdims=True)).astype(np.float32)
    return unit


if __name__ == "__main__":
    main()
