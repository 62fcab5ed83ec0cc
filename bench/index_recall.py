"""What a version costs to build and to keep, what it finds, and how fast beside FAISS itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.index_build import Bench, Build
from bench.index_data import Dataset, K
from bench.index_memory import anonymous_bytes, in_fresh_process, mapped_bytes
from bench.index_timing import Answer, Timing, in_turns
from indexer.backends.base import Modality
from indexer.backends.faiss_index import FaissIndex
from indexer.backends.opening import open_version
from indexer.backends.stored_vectors import exact_index
from indexer.building.calibrate import TARGETS
from indexer.building.ground_truth import recall_at
from indexer.versions.manifest import INDEX, CalibrationPoint, Manifest
from models.types import Embeddings

_BATCH = 64
_LEAST_DEPTH = 4 * K
"""Candidates that FaissIndex scores exactly even where calibration found fewer enough."""


@dataclass(frozen=True)
class Footprint:
    """Bytes that a version takes in a process that has answered 1,000 queries."""

    anonymous: int
    mapped: dict[str, int]
    """Resident pages by file."""


@dataclass(frozen=True)
class Served:
    modality: Modality
    target: float
    recall: float
    singly: dict[str, Timing]
    batched: dict[str, Timing]


def report_recall(bench: Bench, rows: int) -> None:
    for dataset in bench.datasets(rows):
        ours, raw = bench.version(dataset), bench.by_faiss(dataset)
        _print_builds(dataset, ours, raw)
        footprint, served = serve(dataset, ours, beside_faiss=True)
        _print_bytes(dataset, ours, footprint)
        _print_served(dataset, served)


def serve(
    dataset: Dataset, version: Build, *, beside_faiss: bool = False
) -> tuple[Footprint, list[Served]]:
    """Measured in a fresh process, with one FAISS thread."""
    return in_fresh_process(_serve, dataset, version.folder, beside_faiss=beside_faiss)


def _serve(dataset: Dataset, folder: Path, *, beside_faiss: bool) -> tuple[Footprint, list[Served]]:
    faiss.omp_set_num_threads(1)
    before = anonymous_bytes()
    manifest, index = open_version(folder)
    _ask_1000(dataset, index)
    footprint = Footprint(anonymous_bytes() - before, mapped_bytes(folder))
    raw = _RawFaiss(folder, index.vectors) if beside_faiss else None
    return footprint, list(_compare(dataset, manifest, index, raw))


def _ask_1000(dataset: Dataset, index: FaissIndex) -> None:
    for modality, queries in dataset.queries.items():
        for query in queries[: 1_000 // len(dataset.queries)]:
            index.search(query[None], K, 0.95, modality)


def _compare(
    dataset: Dataset, manifest: Manifest, index: FaissIndex, raw: "_RawFaiss | None"
) -> Iterator[Served]:
    for modality, queries in dataset.queries.items():
        for target in TARGETS:
            answers: dict[str, Answer] = {"ours": partial(_ask, index, target, modality)}
            if raw and manifest.calibration:
                points = getattr(manifest.calibration, modality)
                answers["faiss"] = raw.at(points[TARGETS.index(target)])
            yield Served(
                modality,
                target,
                recall_at(answers["ours"](queries), dataset.truth[modality]),
                in_turns(answers, queries, 1),
                in_turns(answers, queries, _BATCH),
            )


def _ask(
    index: FaissIndex, target: float, modality: Modality, queries: Embeddings
) -> NDArray[np.int64]:
    return index.search(queries, K, target, modality).ids  # the id of an image is its row


class _RawFaiss:
    """FAISS's own way to the same answers: IndexRefine over the same files."""

    def __init__(self, folder: Path, vectors: NDArray[np.float16]) -> None:
        self._base: Any = faiss.read_index(str(folder / INDEX))
        self._exact = exact_index(vectors)
        self._refined = faiss.IndexRefine(self._base, self._exact)

    def at(self, point: CalibrationPoint) -> Answer:
        base: Any = faiss.SearchParametersIVF(nprobe=point.nprobe)
        if isinstance(self._base, faiss.IndexPreTransform):
            base = faiss.SearchParametersPreTransform(index_params=base)
        depth = max(point.rerank, _LEAST_DEPTH)
        params = faiss.IndexRefineSearchParameters(
            base_index_params=base, k_factor=(depth + 0.5) / K
        )
        return lambda queries: self._refined.search(queries, K, params=params)[1]


def _print_builds(dataset: Dataset, ours: Build, raw: Build) -> None:
    stages = list(ours.stages | raw.stages)
    table = Table("build", *stages, "train to write", "all", title=f"{dataset}: seconds, MB")
    table.add_column("peak anonymous")
    table.add_column("with file pages")
    for name, build in (("ours", ours), ("FAISS", raw)):
        seconds = [build.stages.get(stage) for stage in stages]
        table.add_row(
            name,
            *("—" if taken is None else f"{taken:.1f}" for taken in seconds),
            f"{build.faiss_seconds:.1f}",
            f"{build.seconds:.1f}",
            f"{build.peak.anonymous / 1e6:.0f}",
            f"{build.peak.with_files / 1e6:.0f}",
        )
    Console(width=130).print(table)
    Console(width=130).print(
        f"ours ÷ FAISS: train to write {ours.faiss_seconds / raw.faiss_seconds:.2f}"
        f" (asked: at most 1.1), all stages {ours.seconds / raw.seconds:.2f}"
    )


def _print_bytes(dataset: Dataset, ours: Build, footprint: Footprint) -> None:
    table = Table("bytes a vector", "on disk", "mapped, resident", title=str(dataset))
    for name, entry in ours.manifest.files.items():
        mapped = footprint.mapped.get(name, 0) / dataset.rows
        table.add_row(name, f"{entry.size / dataset.rows:.1f}", f"{mapped:.1f}")
    table.add_row("anonymous", "", f"{footprint.anonymous / dataset.rows:.1f}")
    on_disk = ours.manifest.size_bytes / dataset.rows
    resident = (footprint.anonymous + sum(footprint.mapped.values())) / dataset.rows
    table.add_row("in all", f"{on_disk:.1f}", f"{resident:.1f}")
    Console(width=100).print(table)


def _print_served(dataset: Dataset, served: list[Served]) -> None:
    table = Table("queries", "asked", "recall@10", "p50 ms", "p99 ms", title=str(dataset))
    for column in ("q/s singly", "÷ FAISS", f"q/s, batches of {_BATCH}", "÷ FAISS"):
        table.add_column(column)
    for row in served:
        table.add_row(
            row.modality,
            f"{row.target:.2f}",
            f"{row.recall:.3f}",
            f"{row.singly['ours'].milliseconds(50):.2f}",
            f"{row.singly['ours'].milliseconds(99):.2f}",
            *_rates(row.singly),
            *_rates(row.batched),
        )
    Console(width=120).print(table)


def _rates(timings: dict[str, Timing]) -> tuple[str, str]:
    ours, raw = timings["ours"], timings.get("faiss")
    return f"{ours.rate:.0f}", "—" if raw is None else f"{ours.rate / raw.rate:.2f}"
