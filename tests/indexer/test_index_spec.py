"""Which index a collection gets: within its budget, and trainable."""

import faiss
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.building.index_spec import MIN_IVF, MIN_POINTS_PER_CENTROID, IndexFamily, choose_spec


@pytest.mark.parametrize(
    ("count", "dim", "family", "factory"),
    [
        (0, 512, IndexFamily.AUTO, "Flat"),
        (9_999, 512, IndexFamily.IVF_PQ8, "Flat"),
        (10_000, 512, IndexFamily.FLAT, "Flat"),
        (10_000, 512, IndexFamily.AUTO, "OPQ128_512,IVF256,PQ128x4fs"),
        (1_000_000, 512, IndexFamily.AUTO, "OPQ128_512,IVF2048,PQ128x4fs"),
        (1_000_000, 1152, IndexFamily.IVF_PQ, "OPQ144_1152,IVF2048,PQ144x4fs"),
        (1_000_000, 768, IndexFamily.IVF_PQ8, "OPQ76_760,IVF2048,PQ76x8"),
        (1_000_000, 768, IndexFamily.IVF_RABITQ, "IVF2048,RaBitQ"),
        (100_000_000, 768, IndexFamily.IVF_SQ8, "IVF32768,SQ8"),
    ],
)
def test_the_index_follows_family_size_and_dimension(
    count: int, dim: int, family: IndexFamily, factory: str
) -> None:
    assert choose_spec(count, dim, family).factory == factory


@given(
    count=st.integers(MIN_IVF, 2**31),
    dim=st.integers(2, 2048),
    family=st.sampled_from([IndexFamily.IVF_PQ, IndexFamily.IVF_PQ8]),
    budget=st.integers(18, 512),
)
def test_a_code_fits_its_budget_and_the_lists_can_be_trained(
    count: int, dim: int, family: IndexFamily, budget: int
) -> None:
    spec = choose_spec(count, dim, family, budget)
    index = faiss.index_factory(dim, spec.factory, faiss.METRIC_INNER_PRODUCT)
    assert faiss.extract_index_ivf(index).code_size + 16 <= budget
    assert spec.nlist * MIN_POINTS_PER_CENTROID <= count
    assert spec.train_size <= count
