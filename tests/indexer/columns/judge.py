"""What a filter means, said once more in plain Python; and tables and filters to try it on."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from indexer.attributes import Attributes
from indexer.columns.filters import AllOf, AnyOf, Condition, Filter, Not

NAMES = {
    "colour": st.sampled_from(["빨강", "파랑", "red", "", "z"]),
    "price": st.integers(-3, 3) | st.sampled_from([2**53 + 1, 2**63 - 1, 1 - 2**63]),
    "weight": st.floats(-2, 2).map(lambda number: round(number, 1)) | st.integers(-2, 2),
    "sold": st.booleans(),
    "day": st.sampled_from(["2024-01-31", "2024-01-31T10:00:00", "2024-02-01", "2023-12-24"]),
    "tags": st.lists(st.sampled_from(["a", "b", "ㄱ", ""]), max_size=3),
}
"""Values of each field. Whole numbers are told apart beyond what float64 can."""
_OPERANDS = {**NAMES, "tags": st.sampled_from(["a", "b", "ㄱ", "other"])}
_UNORDERED = {"sold", "tags"}

attributes = st.fixed_dictionaries({}, optional=NAMES)


def _conditions_on(name: str) -> st.SearchStrategy[object]:
    operand = _OPERANDS[name]
    operators: dict[str, st.SearchStrategy[Any]] = {
        "eq": operand,
        "ne": operand,
        "in": st.lists(operand, max_size=12),
        "exists": st.booleans(),
    }
    if name not in _UNORDERED:
        operators |= dict.fromkeys(("gt", "gte", "lt", "lte"), operand)
    several = st.fixed_dictionaries({}, optional=operators).filter(bool)
    return operand | st.lists(operand, max_size=3) | several


_simple = st.fixed_dictionaries({}, optional={name: _conditions_on(name) for name in NAMES})


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    words = {
        "any": st.lists(inner, max_size=3),
        "all": st.lists(inner, max_size=3),
        "not": inner,
    }
    both = st.tuples(_simple, st.fixed_dictionaries({}, optional=words))
    return both.map(lambda pair: {**pair[0], **pair[1]})


filters = st.recursive(_simple, _nested, max_leaves=6)


def passes(filter: Filter, image: Attributes) -> bool:  # noqa: A002 - its name in the API
    match filter:
        case AllOf():
            return all(passes(each, image) for each in filter.filters)
        case AnyOf():
            return any(passes(each, image) for each in filter.filters)
        case Not():
            return not passes(filter.filter, image)
        case Condition():
            return filter.field in image and _fulfils(filter, image)


def _fulfils(condition: Condition, image: Mapping[str, Any]) -> bool:
    value, values = image[condition.field], condition.values
    match condition.operator:
        case "exists":
            return True
        case "in":
            held = value if isinstance(value, list) else [value]
            return bool({*held} & {*values})
        case "gt":
            return bool(value > values[0])
        case "gte":
            return bool(value >= values[0])
        case "lt":
            return bool(value < values[0])
        case "lte":
            return bool(value <= values[0])
