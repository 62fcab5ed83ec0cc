"""A filter finds in Milvus what it finds in a version's own columns, whatever texts it holds."""

from itertools import count

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.attributes import Attributes, normalised
from indexer.backends.milvus import schema
from indexer.backends.milvus.connection import Milvus
from indexer.backends.milvus.expression import expression_of
from indexer.backends.milvus.index_type import FLAT, MilvusIndexType
from indexer.columns.filters import parse_filter
from indexer.errors import Rejected
from tests.indexer.columns.judge import attributes, filters, passes

_quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_blocks = count(1)

hostile = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
quotes = st.text(st.sampled_from("\"'\\\n\r\t{}[]%눈ㄱ 1\u2028"), max_size=8)
names = st.sampled_from(["a", "브랜드", "가격 %", "x.y", "a:b/c", "id", "vector", "_", "A (b)-c+d"])


@pytest.fixture(scope="module")
def table(shared_milvus: Milvus) -> "Table":
    return Table(shared_milvus)


class Table:
    """Images by the hand of the test: each example's among those of the ones before."""

    def __init__(self, milvus: Milvus) -> None:
        self.milvus = milvus
        schema.create(milvus, "noongil_table", 2)
        schema.build_index(milvus, "noongil_table", MilvusIndexType(FLAT, {}, 0))

    def passing(self, images: list[Attributes], raw: dict[str, object]) -> list[int]:
        first = 1000 * next(_blocks)
        ids = np.arange(first, first + len(images))
        vectors = np.tile(np.array([1, 0], np.float16), (len(images), 1))
        schema.write(self.milvus, "noongil_table", ids, vectors, images)
        expression = expression_of(parse_filter(raw))
        within = f"({expression}) and id >= {first} and id < {first + 1000}"
        rows = self.milvus.call(
            "query", "noongil_table", filter=within, output_fields=["id"], limit=1000
        )
        return sorted(row["id"] - first for row in rows)


@_quick
@given(images=st.lists(attributes, min_size=1, max_size=8), raw=filters)
def test_any_filter_passes_what_it_means(
    table: Table, images: list[Attributes], raw: dict[str, object]
) -> None:
    wanted = parse_filter(raw)
    judged = [number for number, image in enumerate(images) if passes(wanted, image)]
    assert table.passing(images, raw) == judged


@_quick
@given(name=names, text=hostile | quotes, other=hostile | quotes, negated=st.booleans())
def test_no_text_breaks_out_of_its_quotes(
    table: Table, name: str, text: str, other: str, negated: bool
) -> None:
    images = [normalised({name: text}), normalised({name: other}), normalised({}), {"z": 1}]
    for raw in ({name: text}, {name: {"gt": text}}, {name: {"lte": text}}, {name: [other]}):
        asked = {"not": raw} if negated else raw
        wanted = parse_filter(asked)
        judged = [number for number, image in enumerate(images) if passes(wanted, image)]
        assert table.passing(images, asked) == judged


def test_a_list_is_found_by_any_of_its_texts(table: Table) -> None:
    images = [{"tags": ['a"b', "눈"]}, {"tags": []}, {"tags": ["a"]}, {}]
    assert table.passing(images, {"tags": 'a"b'}) == [0]
    assert table.passing(images, {"tags": ["a", "눈"]}) == [0, 2]
    assert table.passing(images, {"tags": {"exists": True}}) == [0, 1, 2]
    assert table.passing(images, {"tags": {"ne": "a"}}) == [0, 1, 3]
    assert table.passing(images, {"tags": []}) == []


def test_a_thousand_values_may_be_asked_for(table: Table) -> None:
    images = [{"code": f"c{number}"} for number in range(3)]
    assert table.passing(images, {"code": [f"c{number}" for number in range(1, 1000)]}) == [1, 2]


def test_names_that_could_end_a_path_name_no_field() -> None:
    for name in ('a"]', "a\\", "a[0]", "a=b"):
        with pytest.raises(Rejected):
            normalised({name: 1})
