"""The language of filters: a JSON object in, a tree of conditions out.

    {"category": "shoes", "price": {"gte": 1, "lt": 5}, "brand": ["a", "b"],
     "any": [{"colour": "red"}, {"size": {"ne": 40}}], "not": {"sold_out": true}}

What an object says holds all at once. `ne` and `not` are complements: they hold for images without
the field as well. Texts are compared in the form in which they are stored.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Literal

from indexer.attributes import as_stored, field_name
from indexer.errors import BadFilter, Rejected

MAX_DEPTH = 8
MAX_CONDITIONS = 100
MAX_VALUES = 1_000
"""Of an `in`."""
_MAX_INT = 2**63 - 1

Operand = str | int | float | bool
Operator = Literal["in", "gt", "gte", "lt", "lte", "exists"]
_ORDERS: Mapping[str, Operator] = {"gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte"}
_OPERATORS = ("eq", "in", "ne", "gt", "gte", "lt", "lte", "exists")


@dataclasses.dataclass(frozen=True)
class Condition:
    """Of one field. `in` holds where the value, or one of a list's, is among `values`; the orders
    have one value, `exists` has none.
    """

    field: str
    operator: Operator
    values: tuple[Operand, ...]
    where: str = dataclasses.field(compare=False)
    """Its place in the filter, `filter.price.gte`, as errors name it."""


@dataclasses.dataclass(frozen=True)
class AllOf:
    filters: "tuple[Filter, ...]"


@dataclasses.dataclass(frozen=True)
class AnyOf:
    filters: "tuple[Filter, ...]"


@dataclasses.dataclass(frozen=True)
class Not:
    filter: "Filter"


Filter = Condition | AllOf | AnyOf | Not


def parse_filter(raw: Mapping[str, object]) -> Filter:
    """Raises BadFilter. Whether a collection has such fields, AttributeView.check says."""
    return _Parser().parsed(raw, "filter", depth=1)


def conditions(filter: Filter) -> Iterator[Condition]:  # noqa: A002 - its name in the API
    """All that are in it, in the order in which they were written."""
    match filter:
        case Condition():
            yield filter
        case Not():
            yield from conditions(filter.filter)
        case AllOf() | AnyOf():
            for each in filter.filters:
                yield from conditions(each)


def lifted(filter: Filter, field: str) -> Filter | None:  # noqa: A002 - as above
    """The filter without what it asks of that field alone, as far as the rest does not depend on
    it: what may be chosen beside what is chosen. None where nothing is left.
    """
    terms = filter.filters if isinstance(filter, AllOf) else (filter,)
    left = tuple(term for term in terms if any(each.field != field for each in conditions(term)))
    return _all_of(left) if left else None


class _Parser:
    def __init__(self) -> None:
        self._count = 0

    def parsed(self, raw: object, where: str, depth: int) -> Filter:
        if not isinstance(raw, Mapping):
            raise BadFilter(where, "is no object")
        if depth > MAX_DEPTH:
            raise BadFilter(where, f"is nested deeper than {MAX_DEPTH} objects")
        return _all_of(
            tuple(
                self._term(str(key), value, f"{where}.{key}", depth) for key, value in raw.items()
            )
        )

    def _term(self, key: str, value: object, where: str, depth: int) -> Filter:
        match key:
            case "all":
                return _all_of(self._list(value, where, depth))
            case "any":
                return AnyOf(self._list(value, where, depth))
            case "not":
                return Not(self.parsed(value, where, depth + 1))
        try:
            name = field_name(key)
        except Rejected as rejected:
            raise BadFilter(where, rejected.detail) from None
        return self._of_field(name, value, where)

    def _list(self, raw: object, where: str, depth: int) -> tuple[Filter, ...]:
        if not isinstance(raw, list):
            raise BadFilter(where, "is no list of filters")
        return tuple(
            self.parsed(each, f"{where}.{number}", depth + 1) for number, each in enumerate(raw)
        )

    def _of_field(self, name: str, value: object, where: str) -> Filter:
        if not isinstance(value, Mapping):
            operator = "in" if isinstance(value, list) else "eq"
            return self._operation(name, operator, value, where)
        if not value:
            raise BadFilter(where, f"names no operator: {', '.join(_OPERATORS)}")
        return _all_of(
            tuple(
                self._operation(name, str(operator), operand, f"{where}.{operator}")
                for operator, operand in value.items()
            )
        )

    def _operation(self, name: str, operator: str, value: object, where: str) -> Filter:
        self._count += 1
        if self._count > MAX_CONDITIONS:
            raise BadFilter(where, f"is one of over {MAX_CONDITIONS} conditions")
        match operator:
            case "eq":
                return Condition(name, "in", (_operand(value, where),), where)
            case "ne":
                return Not(Condition(name, "in", (_operand(value, where),), where))
            case "in":
                return Condition(name, "in", _operands(value, where), where)
            case "exists" if isinstance(value, bool):
                exists = Condition(name, "exists", (), where)
                return exists if value else Not(exists)
            case "exists":
                raise BadFilter(where, "is neither true nor false")
            case _ if operator in _ORDERS:
                return Condition(name, _ORDERS[operator], (_ordered(value, where),), where)
        raise BadFilter(where, f"is no operator: {', '.join(_OPERATORS)}")


def _all_of(terms: tuple[Filter, ...]) -> Filter:
    """Flat: what is in an AllOf of these is one of its own terms."""
    flat = tuple(
        part for term in terms for part in (term.filters if isinstance(term, AllOf) else (term,))
    )
    return flat[0] if len(flat) == 1 else AllOf(flat)


def _operands(raw: object, where: str) -> tuple[Operand, ...]:
    if not isinstance(raw, list):
        raise BadFilter(where, "is no list")
    if len(raw) > MAX_VALUES:
        raise BadFilter(where, f"holds {len(raw)} values; at most {MAX_VALUES}")
    return tuple(_operand(value, f"{where}.{number}") for number, value in enumerate(raw))


def _ordered(raw: object, where: str) -> Operand:
    if isinstance(raw, bool):
        raise BadFilter(where, "is neither a number nor a text: nothing else has an order")
    return _operand(raw, where)


def _operand(raw: object, where: str) -> Operand:
    match raw:
        case bool():
            return raw
        case int() if abs(raw) > _MAX_INT:
            raise BadFilter(where, "is a number beyond 64 bits")
        case float() if not math.isfinite(raw):
            raise BadFilter(where, "is no finite number")
        case int() | float():
            return raw
        case str() if not _is_encodable(raw):
            raise BadFilter(where, "holds half of a character")
        case str():
            return as_stored(raw)
        case None:
            raise BadFilter(where, 'is null: ask {"exists": false} for images without the field')
    raise BadFilter(where, "is neither a text nor a number nor true or false")


def _is_encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
