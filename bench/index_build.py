"""Versions as the indexer builds them, and the same index by FAISS alone."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from bench.index_data import Dataset, load
from bench.index_memory import PeakMemory, in_fresh_process, watched
from indexer.building.build import build_version
from indexer.building.index_spec import IndexFamily, IndexSpec, choose_spec
from indexer.building.places import CHUNK, BuildInput, BuildOptions
from indexer.layout import CollectionFolder
from indexer.versions.manifest import INDEX, Manifest, read_manifest

THREADS = 2
"""All builds are given so many, and all searches one."""


@dataclass(frozen=True)
class Build:
    folder: Path
    stages: dict[str, float]
    """Seconds."""
    peak: PeakMemory

    @property
    def seconds(self) -> float:
        return sum(self.stages.values())

    @property
    def faiss_seconds(self) -> float:
        """Of training, adding and writing the index."""
        return sum(self.stages.get(stage, 0.0) for stage in ("train", "add", "write"))

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.folder)


class Bench:
    """Data sets and versions of one run of the benchmark, each made once."""

    def __init__(self, cache: Path, work: Path, dim: int, names: Sequence[str]) -> None:
        self._cache, self._work, self._dim, self._names = cache, work, dim, names
        self._datasets: dict[tuple[str, int], Dataset] = {}
        self._versions: dict[tuple[str, int, IndexFamily], Build] = {}

    def datasets(self, rows: int) -> Iterator[Dataset]:
        return (self.dataset(name, rows) for name in self._names)

    def dataset(self, name: str, rows: int) -> Dataset:
        if (key := (name, rows)) not in self._datasets:
            self._datasets[key] = load(self._cache, name, rows, self._dim)
        return self._datasets[key]

    def version(self, dataset: Dataset, family: IndexFamily = IndexFamily.AUTO) -> Build:
        if (key := (dataset.name, dataset.rows, family)) not in self._versions:
            into = self.folder(f"{dataset.name}-{dataset.rows}-{family}")
            self._versions[key] = in_fresh_process(build, dataset, family, into)
        return self._versions[key]

    def by_faiss(self, dataset: Dataset) -> Build:
        into = self.folder(f"{dataset.name}-{dataset.rows}-faiss")
        return in_fresh_process(build_by_faiss, dataset, into)

    def folder(self, name: str) -> Path:
        """A new one, gone after the run."""
        folder = self._work / name
        folder.mkdir()
        return folder


def build(dataset: Dataset, family: IndexFamily, into: Path) -> Build:
    faiss.omp_set_num_threads(THREADS)
    folder, clock = CollectionFolder(into), _StageClock()
    with watched() as peak:
        built = build_version(folder, _build_input(dataset, family), BuildOptions(), clock)
        stages = clock.stop()
    return Build(folder.version(built.name), stages, peak)


def build_by_faiss(dataset: Dataset, into: Path) -> Build:
    """What FAISS does by itself with the same factory: training on as many vectors in as many
    rounds, adding the same chunks one after another, and writing the file.
    """
    faiss.omp_set_num_threads(THREADS)
    vectors, clock = dataset.vectors, _StageClock()
    with watched() as peak:
        clock("train")
        index = _train_by_faiss(choose_spec(*vectors.shape), vectors)
        clock("add")
        for chunk in chunks_of(vectors):
            index.add(chunk.astype(np.float32))
        clock("write")
        faiss.write_index(index, str(into / INDEX))
        stages = clock.stop()
    return Build(into, stages, peak)


def _train_by_faiss(spec: IndexSpec, vectors: NDArray[np.float16]) -> faiss.Index:
    rows = np.random.default_rng(0).choice(len(vectors), spec.train_size, replace=False)
    index = faiss.index_factory(vectors.shape[1], spec.factory, faiss.METRIC_INNER_PRODUCT)
    if not spec.is_exact:
        ivf = faiss.downcast_index(faiss.extract_index_ivf(index))
        ivf.cp.niter, ivf.cp.max_points_per_centroid = 8, spec.train_size // spec.nlist + 1
        rotation = faiss.downcast_VectorTransform(index.chain.at(0))
        rotation.niter, rotation.niter_pq_0, rotation.niter_pq = 4, 8, 2
        rotation.max_train_points = 20_000
        rotation.pq = codes = faiss.ProductQuantizer(ivf.d, ivf.pq.M, ivf.pq.nbits)
        codes.cp.max_points_per_centroid = 256
        index.train(vectors[np.sort(rows)].astype(np.float32))
        rotation.pq = None
    return index


class _StageClock:
    """Seconds between one stage's announcement and the next."""

    def __init__(self) -> None:
        self._begun: list[tuple[str, float]] = []

    def __call__(self, stage: str) -> None:
        self._begun.append((stage, time.perf_counter()))

    def stop(self) -> dict[str, float]:
        self("")
        pairs = zip(self._begun, self._begun[1:], strict=False)
        return {stage: ended - began for (stage, began), (_, ended) in pairs}


def _build_input(dataset: Dataset, family: IndexFamily) -> BuildInput:
    vectors = dataset.vectors
    return BuildInput(
        model="bench",
        encoder_fingerprint="bench",
        dim=dataset.dim,
        change_number=0,
        ids=np.arange(dataset.rows, dtype=np.int64),
        chunks=lambda: chunks_of(vectors),
        text_queries=lambda: dataset.calibration_texts,
        family=family,
        floor=0.0,
    )


def chunks_of(vectors: NDArray[np.float16]) -> Iterator[NDArray[np.float16]]:
    return (vectors[start : start + CHUNK] for start in range(0, len(vectors), CHUNK))
