"""The float16 embeddings of a version: memory-mapped, and searched where they lie."""

from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray


def map_vectors(path: Path, shape: tuple[int, int]) -> NDArray[np.float16]:
    """The (count, dim) embeddings of a version, memory-mapped, read-only."""
    if shape[0] == 0:
        return np.empty(shape, np.float16)  # an empty file cannot be mapped
    return np.memmap(path, np.float16, "r", shape=shape)


def exact_index(vectors: NDArray[np.float16]) -> faiss.IndexScalarQuantizer:
    """Exact inner products with the rows of `vectors`, which are neither copied nor read ahead.

    The caller keeps `vectors` alive as long as the index.
    """
    count, dim = vectors.shape
    index = faiss.IndexScalarQuantizer(
        dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    if count:
        _view(index.codes, vectors.reshape(-1).view(np.uint8))
        index.ntotal = count
    return index


def _view(codes: faiss.MaybeOwnedVectorUInt8, data: NDArray[np.uint8]) -> None:
    """Make FAISS's array a window on ours.

    Its own `create_view` wants a shared pointer that Python cannot make; reading a FAISS file
    through a mapping sets the same fields.
    """
    address = faiss.swig_ptr(data)
    codes.is_owned = False
    codes.view_data = codes.c_ptr = address
    codes.view_size = codes.c_size = data.size
