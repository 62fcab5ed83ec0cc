"""What filters and facets cost, and what a filtered search finds.

python -m bench.filters [--rows 1000000] [--dim 256] [--queries 100] [--cache folder]

Method: clustered synthetic embeddings (`bench.index_data`) and six attributes, as a version has
them: the index as `indexer.building.build` makes it, the columns in an Arrow file that is mapped.
Filters let 50 %, 5 %, 0.5 % and 0.05 % pass: at random (a range of prices), or those that are most
like one of the images (a range of `likeness`), which lie together and, from most queries, far away.
Truth is exact search of what passes. Each query is asked in three ways, in turns, in one thread:

plain     the 10 nearest of all, at recall 0.95
filtered  the filter evaluated, and the 10 nearest of what passes
faceted   the filter evaluated, the 1,000 nearest of what passes, and two fields counted in them
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.index_build import Bench
from bench.index_data import Dataset, K
from bench.index_timing import Answer, in_turns
from indexer.attributes import Attributes
from indexer.backends.base import Modality
from indexer.backends.faiss_index import FaissIndex
from indexer.backends.opening import open_version
from indexer.backends.stored_vectors import exact_index
from indexer.building.ground_truth import recall_at
from indexer.columns.arrow import map_columns, write_columns
from indexer.columns.collect import collect
from indexer.columns.columns import Columns
from indexer.columns.filters import Filter, parse_filter
from indexer.live.attribute_view import AttributeView
from indexer.live.delta import Delta
from indexer.live.nearest import nearest
from models.types import Embeddings

_SHARES = (0.5, 0.05, 0.005, 0.0005)
_RECALL = 0.95
_CANDIDATES = 1_000
_FACETED = ("category", "brand")
_STEPS = 1_000_000
"""Prices, and degrees of likeness."""


def main() -> None:
    given = _arguments()
    given.cache.mkdir(parents=True, exist_ok=True)
    faiss.omp_set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=given.cache) as work:
        bench = Bench(given.cache, Path(work), given.dim, ["clustered"])
        dataset = bench.dataset("clustered", given.rows)
        _, index = open_version(bench.version(dataset).folder)
        columns = _columns(index, Path(work) / "attributes.arrow")
        _report(dataset, Delta.empty(given.dim, 0, index, columns), index, given.queries)


def _columns(index: FaissIndex, path: Path) -> Columns:
    started = time.perf_counter()
    batch = collect(_attributes(index))
    collected = time.perf_counter() - started
    write_columns(path, batch)
    size = path.stat().st_size / index.count
    print(f"columns of six fields: {collected:.0f} s to collect, {size:.1f} bytes an image")
    return map_columns(path, index.count)


def _attributes(index: FaissIndex) -> Iterator[Attributes]:
    random = np.random.default_rng(0)
    likeness = _ranks(index).tolist()
    for start in range(0, index.count, 50_000):
        count = min(50_000, index.count - start)
        prices = random.permutation(count) * (_STEPS // count)
        brands, categories = random.zipf(1.3, count) % 5_000, random.integers(20, size=count)
        drawn = zip(prices.tolist(), brands.tolist(), categories.tolist(), strict=True)
        for number, (price, brand, category) in enumerate(drawn):
            yield {
                "price": price,
                "brand": f"brand {brand}",
                "category": f"category {category}",
                "likeness": likeness[start + number],
                "sold": price % 3 == 0,
                "tags": [f"tag {brand % 7}", f"tag {category % 11}"],
            }


def _ranks(index: FaissIndex) -> NDArray[np.int64]:
    """How like each image is to one of them: 0 … _STEPS, by rank."""
    like = np.asarray(index.vectors[index.count // 3], np.float32)
    scores = np.concatenate(
        [
            index.vectors[start : start + 50_000].astype(np.float32) @ like
            for start in range(0, index.count, 50_000)
        ]
    )
    ranks = np.empty(index.count, np.int64)
    ranks[np.argsort(-scores)] = np.arange(index.count)
    return ranks * _STEPS // index.count


def _report(dataset: Dataset, delta: Delta, index: FaissIndex, queries: int) -> None:
    table = Table("passes", "filter", "queries", "recall@10", title=str(dataset))
    for column in ("plain p95 ms", "filtered", "÷ plain", "faceted", "÷ plain"):
        table.add_column(column)
    for share in _SHARES:
        for kind, name in (("random", "price"), ("like one image", "likeness")):
            wanted = parse_filter({name: {"lt": share * _STEPS}})
            for modality, asked in dataset.queries.items():
                row = _row(delta, index, asked[:queries], modality, wanted)
                table.add_row(f"{share:.2%}", kind, modality, *row)
    Console(width=120).print(table)


def _row(
    delta: Delta, index: FaissIndex, queries: Embeddings, modality: Modality, wanted: Filter
) -> Iterator[str]:
    view = AttributeView(delta)

    def filtered(query: Embeddings) -> NDArray[np.int64]:
        return nearest(index, delta, query, K, _RECALL, modality, view.select(wanted))[0]

    answers: dict[str, Answer] = {
        "plain": lambda query: nearest(index, delta, query, K, _RECALL, modality)[0],
        "filtered": filtered,
        "faceted": lambda query: _faceted(index, delta, query, modality, wanted),
    }
    timings = in_turns(answers, queries, 1)
    truth = _truth(index, np.flatnonzero(view.select(wanted).main), queries)
    yield f"{recall_at(np.array([filtered(query[None]) for query in queries]), truth):.3f}"
    plain = timings["plain"].milliseconds(95)
    yield f"{plain:.2f}"
    for name in ("filtered", "faceted"):
        milliseconds = timings[name].milliseconds(95)
        yield f"{milliseconds:.2f}"
        yield f"{milliseconds / plain:.2f}"


def _faceted(
    index: FaissIndex, delta: Delta, query: Embeddings, modality: Modality, wanted: Filter
) -> NDArray[np.int64]:
    view = AttributeView(delta)
    selection = view.select(wanted)
    ids, _, _ = nearest(index, delta, query, _CANDIDATES, _RECALL, modality, selection)
    for name in _FACETED:
        view.facet(ids, name, 20)
    return ids


def _truth(index: FaissIndex, rows: NDArray[np.int64], queries: Embeddings) -> NDArray[np.int64]:
    """Ids of the nearest of those rows, (queries, 10)."""
    passing = index.vectors[rows]
    places: NDArray[np.int64] = exact_index(passing).search(queries, K)[1]
    return index.ids[rows[places]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=100, help="of each kind, for each filter")
    parser.add_argument("--cache", type=Path, default=Path("data/bench"), help="0.5 GB")
    return parser.parse_args()


if __name__ == "__main__":
    main()
