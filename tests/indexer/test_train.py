"""Training: on a sample that fits, the same each time."""

import numpy as np
import pytest

from indexer.building.index_spec import IndexFamily, choose_spec
from indexer.building.train import train
from tests.indexer.versions import one_thread, pictures, texts

DIM = 16
VECTORS = pictures(40_000, DIM).astype(np.float16)
GENEROUS = 2**30


class Counting(np.ndarray):
    """Remembers how many rows were read of it."""

    read = 0

    def __getitem__(self, key: object) -> object:
        found = super().__getitem__(key)
        Counting.read = len(found)
        return np.asarray(found)


@pytest.mark.parametrize(("memory", "rows"), [(GENEROUS, 40_000), (2**20, 512 * 39)])
def test_the_sample_fits_into_a_quarter_of_the_memory_but_is_never_too_small(
    memory: int, rows: int
) -> None:
    """A million vectors of 768 dimensions, read at once, are 3 GB."""
    spec = choose_spec(len(VECTORS), DIM, IndexFamily.IVF_SQ8)
    with one_thread():
        train(spec, VECTORS.view(Counting), memory)
    assert Counting.read == rows


@pytest.mark.parametrize("family", [IndexFamily.IVF_PQ, IndexFamily.IVF_SQ8])
def test_training_twice_makes_the_same_index(family: IndexFamily) -> None:
    spec = choose_spec(10_000, DIM, family, bytes_per_vector=20)
    found = []
    for _ in range(2):
        with one_thread():
            index = train(spec, VECTORS[:10_000], GENEROUS)
        index.add(VECTORS[:1000].astype(np.float32))
        found.append(index.search(texts(20, DIM), 10)[1])
    assert np.mean(found[0] == found[1]) > 0.99
