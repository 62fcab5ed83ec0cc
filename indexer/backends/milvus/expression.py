"""From a filter to an expression of Milvus, which means the same.

A negation goes down to the conditions: to Milvus an order of what is missing is neither true nor
false, and so is its negation, while here images without the field fulfil every `not`.
"""

from collections.abc import Sequence
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from indexer.backends.milvus.schema import ATTRIBUTES, ID, TERMS
from indexer.backends.milvus.terms import term_of
from indexer.columns.filters import AllOf, AnyOf, Condition, Filter, Not, Operand, Operator

_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_OPPOSITES = {"gt": "<=", "gte": "<", "lt": ">=", "lte": ">"}
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r"})


def expression_of(filter: Filter) -> str:  # noqa: A002 - its name in the API
    return _expression(filter, negated=False)


def ids_expression(ids: NDArray[np.int64]) -> str:
    return f"{ID} in [{', '.join(map(str, ids.tolist()))}]"


def literal(value: Operand) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value.translate(_ESCAPED)}"'
        case _:
            return repr(value)


def _expression(filter: Filter, *, negated: bool) -> str:  # noqa: A002 - as above
    match filter:
        case Condition():
            return _condition(filter, negated=negated)
        case Not():
            return _expression(filter.filter, negated=not negated)
        case AllOf() | AnyOf():
            is_all = isinstance(filter, AllOf) != negated
            parts = [_expression(each, negated=negated) for each in filter.filters]
            return _joined(parts, is_all=is_all)
    assert_never(filter)


def _joined(parts: Sequence[str], *, is_all: bool) -> str:
    """Of none: all pass, or nothing does."""
    if not parts:
        return f"{ID} >= 0" if is_all else f"{ID} < 0"
    return "(" + (" and " if is_all else " or ").join(parts) + ")"


def _condition(condition: Condition, *, negated: bool) -> str:
    name, operator = condition.field, condition.operator
    match operator:
        case "exists":
            return _has([name], negated=negated)
        case "in":
            return _has([term_of(name, value) for value in condition.values], negated=negated)
        case _:
            return _order(name, operator, condition.values[0], negated=negated)


def _has(terms: Sequence[str], *, negated: bool) -> str:
    if not terms:
        return _joined([], is_all=negated)
    found = f"array_contains_any({TERMS}, [{', '.join(map(literal, terms))}])"
    return f"(not {found})" if negated else found


def _order(name: str, operator: Operator, bound: Operand, *, negated: bool) -> str:
    sign = (_OPPOSITES if negated else _SIGNS)[operator]
    compared = f"{ATTRIBUTES}[{literal(name)}] {sign} {literal(bound)}"
    return f"({_has([name], negated=True)} or {compared})" if negated else f"({compared})"
