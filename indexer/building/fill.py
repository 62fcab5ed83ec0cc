"""Adding vectors to a trained index, a chunk at a time, and writing it into a version's folder.

Lists that fit in memory are built there. Larger ones are built in parts, each written to disk,
and merged there.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.building.coarse import nearest
from indexer.errors import BuildFailed
from indexer.versions.manifest import INDEX, LISTS

_CHUNK = 16_384
"""FAISS holds it three times over: 100 MB at 512 dimensions."""
_ID_BYTES = 8
_SPARE = 2
"""A growing list is moved to one of twice its size."""


def fill(
    index: faiss.Index, vectors: NDArray[np.float16], folder: Path, memory_bytes: int
) -> faiss.Index:
    """The trained `index` with all of (count, dim), written to INDEX in `folder`.

    Raises BuildFailed where the lists would outgrow `memory_bytes` and cannot lie on disk.
    """
    ivf = faiss.downcast_index(faiss.extract_index_ivf(index))
    rows = int(memory_bytes / _SPARE / (ivf.code_size + _ID_BYTES))
    is_packed = isinstance(ivf, faiss.IndexIVFPQFastScan)
    if len(vectors) <= rows:
        if is_packed:
            return _fill_packed(index, ivf, vectors, folder / INDEX)
        _add(index, vectors, 0)
        faiss.write_index(index, str(folder / INDEX))
        return index
    if is_packed:
        raise BuildFailed(
            f"the lists of {len(vectors)} vectors outgrow the {memory_bytes // 2**20} MB that a "
            "build may take: raise the limit, or choose the family ivf-pq8, whose lists can be "
            "merged on disk"
        )
    return _merge(index, vectors, folder, rows)


def _fill_packed(
    index: faiss.Index, ivf: Any, vectors: NDArray[np.float16], path: Path
) -> faiss.Index:
    """Codes are packed for fast scan when all are there: FAISS lets nobody else choose the lists
    of what is added to packed ones.
    """
    plain = faiss.IndexIVFPQ(
        ivf.quantizer, ivf.d, ivf.nlist, ivf.pq.M, ivf.pq.nbits, ivf.metric_type
    )
    plain.pq, plain.by_residual, plain.is_trained = ivf.pq, ivf.by_residual, True
    rotation = faiss.downcast_VectorTransform(index.chain.at(0))
    whole = faiss.IndexPreTransform(rotation, plain)
    _add(whole, vectors, 0)
    packed = faiss.IndexPreTransform(rotation, faiss.IndexIVFPQFastScan(plain, ivf.bbs))
    faiss.write_index(packed, str(path))
    return faiss.read_index(str(path))  # one that owns its parts


def _merge(index: Any, vectors: NDArray[np.float16], folder: Path, rows: int) -> faiss.Index:
    parts = []
    for start in range(0, len(vectors), rows):
        part = folder / f"part-{start}"
        _add(index, vectors[start : start + rows], start)
        faiss.write_index(index, str(part))
        index.reset()
        parts.append(part)
    ivf = faiss.extract_index_ivf(index)
    lists = _write_lists(parts, ivf.nlist, ivf.code_size, folder / LISTS)
    for part in parts:
        part.unlink()
    ivf.replace_invlists(lists, True)  # noqa: FBT003 - as C++ has it
    lists.this.disown()
    index.ntotal = ivf.ntotal = len(vectors)
    faiss.write_index(index, str(folder / INDEX))
    return index


def _write_lists(parts: list[Path], nlist: int, code_size: int, path: Path) -> Any:
    """The inverted lists of all parts, one after the other in a file that is then mapped.

    contrib.ondisk would write them through the mapping, where a full disk kills the process
    (SIGBUS), and prints to standard output.
    """
    opened = [faiss.read_index(str(part), faiss.IO_FLAG_MMAP) for part in parts]
    sources = [faiss.extract_index_ivf(index).invlists for index in opened]
    sizes = np.array([[part.list_size(n) for part in sources] for n in range(nlist)], np.uint64)
    with path.open("wb") as file:
        for number, counts in enumerate(sizes.tolist()):
            for part, count in zip(sources, counts, strict=True):
                file.write(faiss.rev_swig_ptr(part.get_codes(number), count * code_size))
            for part, count in zip(sources, counts, strict=True):
                file.write(faiss.rev_swig_ptr(part.get_ids(number), count))
    lists = faiss.OnDiskInvertedLists(nlist, code_size, str(path))
    totals = sizes.sum(axis=1)
    lists.set_all_lists_sizes(faiss.swig_ptr(totals))
    lists.totsize = path.stat().st_size
    lists.read_only = True
    lists.do_mmap()
    lists.prefetch_nthread = 0  # it starts 32 threads a search otherwise
    return lists


def _add(index: Any, vectors: NDArray[np.float16], first_row: int) -> None:
    ivf = faiss.downcast_index(faiss.extract_index_ivf(index))
    centroids = ivf.quantizer.reconstruct_n(0, ivf.nlist)
    turn = _rotation(index)
    for start, chunk in _chunks(vectors):
        turned = chunk if turn is None else np.ascontiguousarray(chunk @ turn.T)
        rows = np.arange(first_row + start, first_row + start + len(chunk))
        lists = nearest(turned, centroids)
        pointers = [faiss.swig_ptr(array) for array in (turned, rows, lists)]
        ivf.add_core(len(rows), *pointers)
    index.ntotal = ivf.ntotal


def _rotation(index: Any) -> NDArray[np.float32] | None:
    """Shape (rotated, dim); FAISS itself takes three times as long to apply it."""
    if not isinstance(index, faiss.IndexPreTransform):
        return None
    rotation = faiss.downcast_VectorTransform(index.chain.at(0))
    turn: NDArray[np.float32] = faiss.vector_to_array(rotation.A)
    return turn.reshape(rotation.d_out, rotation.d_in)


def _chunks(vectors: NDArray[np.float16]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for start in range(0, len(vectors), _CHUNK):
        yield start, vectors[start : start + _CHUNK].astype(np.float32)
