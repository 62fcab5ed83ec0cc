"""The index that the builder makes, against exact search over the same vectors.

python -m bench.search [--rows 100000] [--dim 512]

Method: unit vectors in 1,000 clusters; 1,000 queries from the same clusters ("near") and
1,000 pushed off the images' distribution, as text is ("shifted"). Each setting answers its
queries one at a time and in batches of 64, on one FAISS thread; the peer is FAISS's own
IndexFlatIP in the same process. Reported: recall@10 against it, and queries a second as a
ratio to it.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from indexer.backends.faiss_index import open_version
from indexer.build import CHUNK, BuildInput, build_version
from indexer.calibrate import TARGETS, recall_at
from indexer.layout import CollectionFolder
from models.types import Embeddings

QUERIES = 1_000
K = 10

Answer = Callable[[Embeddings], NDArray[np.int64]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    centres = random.normal(size=(1_000, arguments.dim))
    vectors = clustered(random, centres, arguments.rows).astype(np.float16)
    near = clustered(random, centres, QUERIES)
    queries = {"near": near, "shifted": shifted(random, near)}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        path, texts = Path(folder), shifted(random, clustered(random, centres, 80))
        built = build_version(CollectionFolder(path), build_input(vectors, texts), lambda _: None)
        seconds = time.perf_counter() - started
        manifest, index = open_version(CollectionFolder(path).version(built.name))
        faiss.omp_set_num_threads(1)
        flat = faiss.IndexFlatIP(arguments.dim)
        flat.add(vectors.astype(np.float32))
        answers: dict[str, Answer] = {"exact": lambda q: flat.search(q, K)[1]}
        for recall in TARGETS:
            answers[f"recall {recall}"] = lambda q, r=recall: index.search(q, K, r).ids
        report(
            f"{arguments.rows:,} × {arguments.dim}, {manifest.factory}, built in {seconds:.0f} s"
            f", {manifest.size_bytes / arguments.rows:.0f} bytes a vector on disk",
            answers,
            queries,
        )


def report(title: str, answers: dict[str, Answer], queries: dict[str, Embeddings]) -> None:
    table = Table(
        "queries", "setting", "recall@10", "singly, ×exact", "batches of 64, ×exact", title=title
    )
    for kind, rows in queries.items():
        truth = answers["exact"](rows)
        singly, batched = rate(answers["exact"], rows, 1), rate(answers["exact"], rows, 64)
        for name, answer in answers.items():
            table.add_row(
                kind,
                name,
                f"{recall_at(answer(rows), truth):.3f}",
                f"{rate(answer, rows, 1) / singly:.1f}",
                f"{rate(answer, rows, 64) / batched:.1f}",
            )
    Console(width=100).print(table)


def rate(answer: Answer, queries: Embeddings, batch: int) -> float:
    """Queries a second, over a bounded part of them."""
    part = queries[: max(batch, min(len(queries), 200))]
    started = time.perf_counter()
    for start in range(0, len(part), batch):
        answer(part[start : start + batch])
    return len(part) / (time.perf_counter() - started)


def build_input(vectors: NDArray[np.float16], texts: Embeddings) -> BuildInput:
    def chunks() -> Iterator[NDArray[np.float16]]:
        for start in range(0, len(vectors), CHUNK):
            yield vectors[start : start + CHUNK]

    ids = np.arange(len(vectors), dtype=np.int64)
    return BuildInput("bench", "bench", vectors.shape[1], 0, ids, chunks, lambda _: texts)


def clustered(random: np.random.Generator, centres: NDArray[np.float64], count: int) -> Embeddings:
    chosen = centres[random.integers(len(centres), size=count)]
    return unit(chosen + 0.7 * random.normal(size=chosen.shape))


def shifted(random: np.random.Generator, rows: Embeddings) -> Embeddings:
    """Off the images' cone: a direction that all share and noise of their own."""
    common = unit(random.normal(size=(1, rows.shape[1])))
    return unit(0.4 * rows + common + 0.5 * unit(random.normal(size=rows.shape)))


def unit(rows: NDArray[np.floating]) -> Embeddings:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


if __name__ == "__main__":
    main()
