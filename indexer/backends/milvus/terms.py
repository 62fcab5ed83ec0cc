"""What an image can be found by exactly: a list of texts, as search engines keep it.

    price          it has the field
    price=5        its value is 5, or one of its list is

Milvus answers equality, `in`, lists and `exists` alike from one field, which a cluster keeps an
inverted index of; and a term is there or not, so that complements are complements. A field's name
holds no `=`. A field has values of one kind: "1" and 1 do not meet.
"""

from collections.abc import Iterator

from indexer.attributes import Attributes, AttributeValue
from indexer.columns.filters import Operand


def terms_of(attributes: Attributes) -> list[str]:
    return sorted({term for name, value in attributes.items() for term in _terms(name, value)})


def term_of(name: str, value: Operand) -> str:
    return f"{name}={_canonical(value)}"


def _terms(name: str, value: AttributeValue) -> Iterator[str]:
    yield name
    for each in value if isinstance(value, list) else [value]:
        yield term_of(name, each)


def _canonical(value: Operand) -> str:
    """The same for 2 and 2.0."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)
