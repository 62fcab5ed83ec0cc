"""The indexer's own families beside one another: what each costs, finds and takes."""

from rich.console import Console
from rich.table import Table

from bench.index_build import Bench, Build
from bench.index_data import Dataset
from bench.index_recall import Served, serve
from indexer.building.index_spec import IndexFamily
from indexer.versions.manifest import INDEX

_FAMILIES = (
    IndexFamily.IVF_PQ,
    IndexFamily.IVF_PQ8,
    IndexFamily.IVF_RABITQ,
    IndexFamily.IVF_SQ8,
)
_TARGETS = (0.95, 0.99)


def report_families(bench: Bench, rows: int) -> None:
    for dataset in bench.datasets(rows):
        table = Table("family", "bytes", "train s", "add s", "queries", title=str(dataset))
        for target in _TARGETS:
            table.add_column(f"for {target}: lists, candidates → recall, p50 ms")
        for family in _FAMILIES:
            _add_rows(table, dataset, family, bench.version(dataset, family))
        Console(width=130).print(table)


def _add_rows(table: Table, dataset: Dataset, family: IndexFamily, version: Build) -> None:
    index_bytes = version.manifest.files[INDEX].size / dataset.rows
    costs = [
        family.value,
        f"{index_bytes:.0f}",
        f"{version.stages['train']:.0f}",
        f"{version.stages['add']:.0f}",
    ]
    _, served = serve(dataset, version)
    for modality in dataset.queries:
        of_modality = {row.target: row for row in served if row.modality == modality}
        cells = [_setting(version, of_modality[target]) for target in _TARGETS]
        table.add_row(*costs, modality, *cells)
        costs = [""] * len(costs)


def _setting(version: Build, served: Served) -> str:
    points = getattr(version.manifest.calibration, served.modality)
    point = next(point for point in points if point.recall == served.target)
    milliseconds = served.singly["ours"].milliseconds(50)
    return f"{point.nprobe}, {point.rerank} → {served.recall:.3f}, {milliseconds:.2f}"
