"""The same search by others: how each builds, opens and asks its index, all by inner product.

A peer that is not installed is left out. `pip install '.[peers]'` installs them all.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from bench.index_build import THREADS, build, chunks_of
from bench.index_data import Dataset, K
from bench.index_timing import Answer
from indexer.backends.opening import open_version
from indexer.building.index_spec import IndexFamily, choose_spec
from models.types import Embeddings

_HNSW_LINKS, _HNSW_EFFORT = 16, 200
"""M and ef_construction, as hnswlib has them by default."""
_EFFORTS = (10, 20, 40, 80, 160, 320, 640, 1280)
_PROBES = tuple(1 << power for power in range(10))
_DEPTHS = tuple(K << power for power in range(1, 9))


@dataclass(frozen=True)
class Peer:
    """`build` leaves what it made in a folder; `open` reads it, in another process."""

    name: str
    module: str
    build: Callable[[Dataset, Path], None]
    open: Callable[[Dataset, Path], Callable[[Any], Answer]]
    """From a setting to what answers with it."""
    settings: Sequence[Any]

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.module) is not None

    def import_module(self) -> None:
        """What code takes in memory is not the index's."""
        importlib.import_module(self.module)


def _build_ours(dataset: Dataset, folder: Path) -> None:
    build(dataset, IndexFamily.AUTO, folder)


def _open_ours(_: Dataset, folder: Path) -> Callable[[Any], Answer]:
    (version,) = (folder / "versions").iterdir()
    index = open_version(version)[1]
    return lambda setting: lambda queries: index.search_at(queries, K, *setting).ids


def _build_faiss(dataset: Dataset, folder: Path) -> None:
    """FAISS's factory and defaults but for polysemous training, which would take most of the time
    and serves a filter that is off.
    """
    nlist = choose_spec(dataset.rows, dataset.dim).nlist
    segments = dataset.dim // 8
    description = f"IVF{nlist},PQ{segments},Refine(SQfp16)"
    index = faiss.index_factory(dataset.dim, description, faiss.METRIC_INNER_PRODUCT)
    faiss.downcast_index(index.base_index).do_polysemous_training = False
    vectors = dataset.vectors.astype(np.float32)
    index.train(vectors)
    index.add(vectors)
    faiss.write_index(index, str(folder / "faiss"))


def _open_faiss(_: Dataset, folder: Path) -> Callable[[Any], Answer]:
    index = faiss.read_index(str(folder / "faiss"))

    def at(setting: tuple[int, int]) -> Answer:
        nprobe, depth = setting
        params = faiss.IndexRefineSearchParameters(
            base_index_params=faiss.SearchParametersIVF(nprobe=nprobe), k_factor=(depth + 0.5) / K
        )
        return lambda queries: index.search(queries, K, params=params)[1]

    return at


def _build_hnswlib(dataset: Dataset, folder: Path) -> None:
    import hnswlib  # noqa: PLC0415 - may not be installed

    index = hnswlib.Index("ip", dataset.dim)
    index.init_index(dataset.rows, M=_HNSW_LINKS, ef_construction=_HNSW_EFFORT, random_seed=0)
    for chunk in chunks_of(dataset.vectors):
        index.add_items(chunk, num_threads=THREADS)
    index.save_index(str(folder / "hnswlib"))


def _open_hnswlib(dataset: Dataset, folder: Path) -> Callable[[Any], Answer]:
    import hnswlib  # noqa: PLC0415 - as above

    index = hnswlib.Index("ip", dataset.dim)
    index.load_index(str(folder / "hnswlib"))

    def at(effort: int) -> Answer:
        index.set_ef(effort)
        return lambda queries: index.knn_query(queries, K, num_threads=1)[0].astype(np.int64)

    return at


def _build_usearch(dataset: Dataset, folder: Path) -> None:
    from usearch.index import Index  # noqa: PLC0415 - as above

    index = Index(
        ndim=dataset.dim,
        metric="ip",
        dtype="f16",
        connectivity=_HNSW_LINKS,
        expansion_add=_HNSW_EFFORT,
    )
    for chunk in chunks_of(dataset.vectors):
        index.add(np.arange(len(index), len(index) + len(chunk)), chunk, threads=THREADS)
    index.save(str(folder / "usearch"))


def _open_usearch(dataset: Dataset, folder: Path) -> Callable[[Any], Answer]:
    from usearch.index import Index  # noqa: PLC0415 - as above

    index = Index(ndim=dataset.dim, metric="ip", dtype="f16")
    index.load(str(folder / "usearch"))

    def at(effort: int) -> Answer:
        index.expansion_search = effort
        return lambda queries: (
            index.search(queries, K, threads=1).keys.reshape(-1, K).astype(np.int64)
        )

    return at


def _build_scann(dataset: Dataset, folder: Path) -> None:
    from scann import scann_ops_pybind  # noqa: PLC0415 - as above

    leaves = choose_spec(dataset.rows, dataset.dim).nlist
    index = (
        scann_ops_pybind.builder(dataset.vectors.astype(np.float32), K, "dot_product")
        .tree(leaves, leaves // 16, training_sample_size=64 * leaves, spherical=True)
        .score_ah(2, anisotropic_quantization_threshold=0.2)
        .reorder(_DEPTHS[-1])
        .set_n_training_threads(THREADS)
        .build()
    )
    (folder / "scann").mkdir()
    index.serialize(str(folder / "scann"))


def _open_scann(_: Dataset, folder: Path) -> Callable[[Any], Answer]:
    from scann import scann_ops_pybind  # noqa: PLC0415 - as above

    index = scann_ops_pybind.load_searcher(str(folder / "scann"))

    def at(setting: tuple[int, int]) -> Answer:
        leaves, depth = setting
        return lambda queries: index.search_batched(
            queries, K, pre_reorder_num_neighbors=depth, leaves_to_search=leaves
        )[0].astype(np.int64)

    return at


def _build_milvus(dataset: Dataset, folder: Path) -> None:
    """HNSW: IVF_PQ is not in Milvus Lite."""
    from pymilvus import DataType, MilvusClient  # noqa: PLC0415 - as above

    client = MilvusClient(str(folder / "milvus.db"))
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dataset.dim)
    client.create_collection("bench", schema=schema)
    _insert(client, dataset.vectors)
    params = client.prepare_index_params()
    params.add_index(
        "vector",
        index_type="HNSW",
        metric_type="IP",
        params={"M": _HNSW_LINKS, "efConstruction": _HNSW_EFFORT},
    )
    client.flush("bench")
    client.create_index("bench", params)
    client.close()


def _insert(client: Any, vectors: NDArray[np.float16], at_once: int = 2_000) -> None:
    for start in range(0, len(vectors), at_once):
        chunk = vectors[start : start + at_once].astype(np.float32)
        rows = [{"id": start + place, "vector": vector} for place, vector in enumerate(chunk)]
        client.insert("bench", rows)


def _open_milvus(_: Dataset, folder: Path) -> Callable[[Any], Answer]:
    from pymilvus import MilvusClient  # noqa: PLC0415 - as above

    client = MilvusClient(str(folder / "milvus.db"))
    client.load_collection("bench")

    def search(queries: Embeddings, effort: int) -> NDArray[np.int64]:
        answers = client.search(
            "bench",
            data=list(queries),
            limit=K,
            output_fields=["id"],
            search_params={"params": {"ef": effort}},
        )
        return np.array([[hit["id"] for hit in hits] for hits in answers])

    return lambda effort: lambda queries: search(queries, effort)


_GRID = list(product(_PROBES, _DEPTHS))

PEERS = (
    Peer("ours", "faiss", _build_ours, _open_ours, _GRID),
    Peer("faiss", "faiss", _build_faiss, _open_faiss, _GRID),
    Peer("hnswlib", "hnswlib", _build_hnswlib, _open_hnswlib, _EFFORTS),
    Peer("usearch", "usearch", _build_usearch, _open_usearch, _EFFORTS),
    Peer("scann", "scann", _build_scann, _open_scann, _GRID),
    Peer("milvus", "pymilvus", _build_milvus, _open_milvus, _EFFORTS),
)
