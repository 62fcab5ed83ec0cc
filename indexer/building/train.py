"""Training an index on a sample of its vectors.

Fewer rounds than FAISS does by default: exact rerank makes them needless (figures in
docs/decisions/0004-index-family.md).
"""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.building.coarse import train_centroids
from indexer.building.index_spec import MIN_POINTS_PER_CENTROID, IndexFamily, IndexSpec
from models.types import Embeddings

_KMEANS_ROUNDS = 8
_ROTATION_ROUNDS = 4
_ROTATION_POINTS = 20_000
_CODEWORDS = 256
_POINTS_PER_CODEWORD = 256
_SEED = 0


def train(spec: IndexSpec, vectors: NDArray[np.float16], memory_bytes: int) -> faiss.Index:
    """An empty index for (count, dim) vectors, of which a sample is read: a smaller one than the
    spec asks for where it would take more than a quarter of `memory_bytes`.
    """
    affordable = memory_bytes // 4 // (np.dtype(np.float32).itemsize * vectors.shape[1])
    needed = MIN_POINTS_PER_CENTROID * max(spec.nlist, _CODEWORDS)
    size = min(spec.train_size, max(affordable, needed))
    chosen = np.random.default_rng(_SEED).choice(len(vectors), size, replace=False)
    sample = vectors[np.sort(chosen)].astype(np.float32)
    centroids = train_centroids(sample, spec.nlist, _KMEANS_ROUNDS, _SEED)
    index = faiss.index_factory(sample.shape[1], spec.factory, faiss.METRIC_INNER_PRODUCT)
    ivf = faiss.downcast_index(faiss.extract_index_ivf(index))
    if spec.family in {IndexFamily.IVF_PQ, IndexFamily.IVF_PQ8}:
        centroids = _train_rotation(spec, index, ivf, sample).apply(centroids)
    ivf.quantizer.add(centroids)
    index.train(sample)  # the codes: what is trained already is left as it is
    return index


def _train_rotation(
    spec: IndexSpec, index: Any, ivf: Any, sample: Embeddings
) -> faiss.VectorTransform:
    ivf.pq.cp.niter = _KMEANS_ROUNDS
    if spec.family is IndexFamily.IVF_PQ8:
        # Orders the centroids for a Hamming filter that searches here never use: 90 s by itself.
        ivf.do_polysemous_training = False
    rotation = faiss.downcast_VectorTransform(index.chain.at(0))
    rotation.niter, rotation.niter_pq_0, rotation.niter_pq = _ROTATION_ROUNDS, _KMEANS_ROUNDS, 2
    rotation.max_train_points = _ROTATION_POINTS
    # FAISS would train the rotation for 8 bits: at 4, recall@10 in 200 was 0.85 instead of 0.91.
    quantizer = faiss.ProductQuantizer(ivf.d, ivf.pq.M, ivf.pq.nbits)
    quantizer.cp.max_points_per_centroid = _POINTS_PER_CODEWORD
    rotation.pq = quantizer
    rotation.train(sample)
    rotation.pq = None
    return rotation
