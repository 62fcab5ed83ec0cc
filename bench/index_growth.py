"""How time and bytes grow with the number of vectors, and how long the largest takes to open."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.index_build import Bench
from bench.index_data import Dataset, K
from bench.index_memory import in_fresh_process
from bench.index_plots import plot_growth
from bench.index_recall import serve
from indexer.backends.base import Modality
from indexer.backends.opening import open_version

_DATA = "clustered"
_KIND: Modality = "text"
_TARGET = 0.95


def report_growth(bench: Bench, sizes: Sequence[int], out: Path) -> None:
    rows = sorted(sizes)
    measured = [_measure(bench, bench.dataset(_DATA, size)) for size in rows]
    table = Table(_DATA, *(f"{size:,}" for size in rows), "exponent")
    for name in measured[0]:
        values = [of_size[name] for of_size in measured]
        table.add_row(name, *(f"{value:.4g}" for value in values), f"{_exponent(rows, values):.2f}")
    Console(width=110).print(table)
    panels = {name: [of_size[name] for of_size in measured] for name in measured[0]}
    plot_growth(panels, rows, out / "index-growth.png")


def _measure(bench: Bench, dataset: Dataset) -> dict[str, float]:
    version = bench.version(dataset)
    footprint, served = serve(dataset, version)
    asked = next(row for row in served if (row.modality, row.target) == (_KIND, _TARGET))
    return {
        f"p50 ms, {_KIND} at {_TARGET}": asked.singly["ours"].milliseconds(50),
        "build s": version.seconds,
        "MB on disk": version.manifest.size_bytes / 1e6,
        "MB anonymous": footprint.anonymous / 1e6,
    }


def _exponent(rows: Sequence[int], values: Sequence[float]) -> float:
    """Of the power law that fits best: least squares between logarithms."""
    return float(np.polynomial.Polynomial.fit(np.log(rows), np.log(values), 1).convert().coef[1])


def report_opening(bench: Bench, rows: int) -> None:
    dataset = bench.dataset(_DATA, rows)
    version = bench.version(dataset)
    table = Table("opening", "s", "first query ms", title=f"{dataset} (asked: at most 2 s)")
    _forget(version.folder)
    for name, uncached in (
        ("first time: hashes all, from disk", True),
        ("again, from disk", True),
        ("again, files in the page cache", False),
    ):
        if uncached:
            _drop_from_cache(version.folder)
        seconds, first = in_fresh_process(_open, dataset, version.folder)
        table.add_row(name, f"{seconds:.2f}", f"{1000 * first:.1f}")
    Console(width=100).print(table)


def _open(dataset: Dataset, folder: Path) -> tuple[float, float]:
    query = dataset.queries[_KIND][:1]
    started = time.perf_counter()
    _, index = open_version(folder)
    opened = time.perf_counter()
    index.search(query, K, _TARGET, _KIND)
    return opened - started, time.perf_counter() - opened


def _forget(folder: Path) -> None:
    """What of the version was verified."""
    collection = folder.parent.parent
    for record in (collection / "verified").iterdir():
        record.unlink()


def _drop_from_cache(folder: Path) -> None:
    """The kernel's copies of the files' pages."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
