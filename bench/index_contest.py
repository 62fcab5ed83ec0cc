"""Our index and its peers on the same vectors and queries: time, memory, recall against rate."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
from rich.console import Console
from rich.table import Table

from bench.index_build import THREADS, Bench
from bench.index_curves import Curve, measure_curve, rate_at
from bench.index_data import Dataset
from bench.index_memory import anonymous_bytes, in_fresh_process, mapped_bytes
from bench.index_peers import PEERS, Peer
from bench.index_plots import plot_curves
from indexer.backends.base import Modality
from indexer.building.calibrate import TARGETS

_OURS, _HNSW = "ours", "hnswlib"
_WARM_UP = 1_000


@dataclass(frozen=True)
class Contender:
    seconds: float
    """To build and to write."""
    resident: int
    """Anonymous bytes of a process that has opened it and answered 1,000 queries."""
    mapped: int
    """Bytes of the index's files that it maps and has touched."""
    curves: Mapping[Modality, Curve]


def report_peers(bench: Bench, rows: int, names: Sequence[str], out: Path) -> None:
    peers = list(_installed(names))
    panels = {}
    for dataset in bench.datasets(rows):
        contenders = {peer.name: _contend(bench, dataset, peer) for peer in peers}
        _print_costs(dataset, contenders)
        for modality in dataset.queries:
            curves = {peer: contender.curves[modality] for peer, contender in contenders.items()}
            _print_rates(dataset, modality, curves)
            panels[f"{dataset}, {modality} queries"] = curves
    plot_curves(panels, out / f"index-recall-{rows}.png")


def _installed(names: Sequence[str]) -> Sequence[Peer]:
    chosen = [peer for peer in PEERS if peer.name in {_OURS, *names}]
    for peer in chosen:
        if not peer.is_installed:
            print(f"left out: {peer.name}, for {peer.module} is not installed")
    return [peer for peer in chosen if peer.is_installed]


def _contend(bench: Bench, dataset: Dataset, peer: Peer) -> Contender:
    folder = bench.folder(f"{dataset.name}-{dataset.rows}-{peer.name}")
    seconds = in_fresh_process(_build, dataset, peer, folder)
    return in_fresh_process(_measure, dataset, peer, folder, seconds)


def _build(dataset: Dataset, peer: Peer, folder: Path) -> float:
    faiss.omp_set_num_threads(THREADS)
    started = time.perf_counter()
    peer.build(dataset, folder)
    return time.perf_counter() - started


def _measure(dataset: Dataset, peer: Peer, folder: Path, seconds: float) -> Contender:
    faiss.omp_set_num_threads(1)
    peer.import_module()
    before = anonymous_bytes()
    answering = peer.open(dataset, folder)
    answer = answering(peer.settings[len(peer.settings) // 2])
    for query in dataset.queries["image"][:_WARM_UP]:
        answer(query[None])
    resident, mapped = anonymous_bytes() - before, sum(mapped_bytes(folder).values())
    curves = {
        modality: measure_curve(answering, peer.settings, queries, dataset.truth[modality])
        for modality, queries in dataset.queries.items()
    }
    return Contender(seconds, resident, mapped, curves)


def _print_costs(dataset: Dataset, contenders: Mapping[str, Contender]) -> None:
    table = Table("index", "build s", "÷ ours", "bytes a vector, anonymous", "÷ ours", "mapped")
    table.title = str(dataset)
    ours = contenders[_OURS]
    for name, contender in contenders.items():
        table.add_row(
            name,
            f"{contender.seconds:.1f}",
            f"{contender.seconds / ours.seconds:.1f}",
            f"{contender.resident / dataset.rows:.0f}",
            f"{contender.resident / ours.resident:.1f}",
            f"{contender.mapped / dataset.rows:.0f}",
        )
    console = Console(width=100)
    console.print(table)
    if _HNSW in contenders:
        console.print("asked of hnswlib ÷ ours: build at least 8, memory at least 10")


def _print_rates(dataset: Dataset, modality: Modality, curves: Mapping[str, Curve]) -> None:
    table = Table("index", title=f"{dataset}, {modality} queries: q/s, p50 / p99 ms of the setting")
    for target in TARGETS:
        table.add_column(f"at recall {target:.2f}")
        table.add_column("ours ÷ it")
    for name, curve in curves.items():
        cells = [_cells(curves[_OURS], curve, target) for target in TARGETS]
        table.add_row(name, *(cell for pair in cells for cell in pair))
    console = Console(width=120)
    console.print(table)
    if _HNSW in curves:
        console.print("asked of ours ÷ hnswlib: at least 0.6")


def _cells(ours: Curve, curve: Curve, target: float) -> tuple[str, str]:
    rate, own = rate_at(curve, target), rate_at(ours, target)
    if rate is None:
        return f"best {curve[-1].recall:.3f}", "—"
    point = next(point for point in curve if point.recall >= target)
    speed = f"{rate:.0f}, {point.p50:.2f} / {point.p99:.2f}"
    return speed, "—" if own is None else f"{own / rate:.2f}"
