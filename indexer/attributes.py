"""What is known of a picture beside its pixels: typed values by name.

A value is a text, a number, a truth value or a list of texts. Texts are in NFC. Dates and times are
texts in the form of ISO 8601 that `isoformat` writes, in UTC where they came with a zone: of two
that are both dates, both local times or both in UTC, the earlier one sorts first as a text.
"""

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from indexer.errors import Rejected, RejectReason

AttributeValue = str | int | float | bool | list[str]
Attributes = Mapping[str, AttributeValue]
Kind = Literal["text", "number", "bool", "list"]

MAX_FIELDS = 100
"""Fields of a picture."""
MAX_BYTES = 16 * 1024
"""Names and values of a picture, as JSON in UTF-8."""
MAX_NAME = 64
_MAX_NAMES = 1000
"""Fields of all pictures of a source: what `FieldKinds` remembers."""
_MAX_INT = 2**63 - 1
_RESERVED = {"any", "all", "not"}
# No quotes, brackets, `$` or `*`: a name can stand in a JSON path as it is.
_NAME = re.compile(rf"(?=.{{1,{MAX_NAME}}}$)\w(?:[\w .:/%()+-]*[\w%)])?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?")
# Neither fits a database: NUL not into PostgreSQL, half a surrogate pair not into UTF-8.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def normalised(raw: Mapping[str, object]) -> Attributes:
    """Attributes as they are stored, from what JSON or Parquet says. None is no value: the field
    is left out. Raises Rejected: bad_attributes.
    """
    attributes = {
        field_name(name): _value(name, value) for name, value in raw.items() if value is not None
    }
    if len(attributes) < sum(value is not None for value in raw.values()):
        raise _bad("two fields have names that are equal in NFC")
    require_small(attributes)
    return attributes


def require_small(attributes: Attributes) -> None:
    """Raises Rejected, bad_attributes, over MAX_FIELDS fields or MAX_BYTES bytes."""
    if len(attributes) > MAX_FIELDS:
        raise _bad(f"{len(attributes)} fields; at most {MAX_FIELDS}")
    if (size := len(json.dumps(attributes, ensure_ascii=False).encode())) > MAX_BYTES:
        raise _bad(f"{size} bytes of attributes; at most {MAX_BYTES}")


def kind_of(value: AttributeValue) -> Kind:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"


def as_stored(text: str) -> str:
    """The form that texts which mean the same are stored in."""
    return iso(text) or unicodedata.normalize("NFC", text)


def iso(text: str) -> str | None:
    """A date or time as it is stored; None for a text that is neither."""
    day = _DATE.match(text)
    if day is None or not (day.end() == len(text) or _TIME.fullmatch(text, day.end())):
        return None
    with suppress(ValueError, OverflowError):
        if day.end() == len(text):
            return date.fromisoformat(text).isoformat()
        return _stored(datetime.fromisoformat(text))
    return None


class FieldKinds:
    """The kind of each field, as the first picture that has it says: a field of two kinds can be
    neither sorted nor counted.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, Kind] = {}

    def require(self, attributes: Attributes) -> None:
        """Raises Rejected, bad_attributes, where a value is not of its field's kind."""
        kinds = {name: kind_of(value) for name, value in attributes.items()}
        for name, kind in kinds.items():
            if (expected := self._kinds.get(name, kind)) != kind:
                raise _bad(f"{name!r} is a {kind} here and a {expected} before")
        if len(self._kinds.keys() | kinds.keys()) > _MAX_NAMES:
            raise _bad(f"over {_MAX_NAMES} different fields")
        self._kinds.update(kinds)


def field_name(raw: str) -> str:
    """The name as it is stored. Raises Rejected, bad_attributes, where it cannot name a field."""
    name = unicodedata.normalize("NFC", raw.strip())
    if name in _RESERVED:
        raise _bad(f"{name!r} is a word of filters and cannot name a field")
    if not _NAME.fullmatch(name):
        raise _bad(
            f"{name!r} cannot name a field: 1 to {MAX_NAME} letters, digits, spaces and _ . : / % "
            "( ) + -, the first a letter, a digit or _"
        )
    return name


def _value(name: str, value: object) -> AttributeValue:  # noqa: PLR0911 - one a type
    match value:
        case bool():
            return value
        case int() if abs(value) <= _MAX_INT:
            return value
        case float() if math.isfinite(value):
            return value
        case Decimal() if math.isfinite(float(value)):
            return float(value)
        case str():
            return _storable(name, value)
        case datetime():
            return _stored(value)
        case date():
            return value.isoformat()
        case list() | tuple() if all(isinstance(each, str) for each in value):
            return [_storable(name, each) for each in value]
    raise _bad(f"{name!r} holds {_description(value)}")


def _storable(name: str, text: str) -> str:
    if _UNSTORABLE.search(text):
        raise _bad(f"{name!r} holds a NUL or half of a character")
    return as_stored(text)


def _stored(moment: datetime) -> str:
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).isoformat()


def _description(value: object) -> str:
    match value:
        case float() | Decimal():
            return "a number that is not finite"
        case int():
            return "a number beyond 64 bits"
        case list() | tuple():
            return "a list of more than texts"
        case Mapping():
            return "an object: attributes are flat"
    return f"a value of type {type(value).__name__}"


def _bad(detail: str) -> Rejected:
    return Rejected(RejectReason.BAD_ATTRIBUTES, detail)


def fingerprint_of(attributes: Mapping[str, Any]) -> str:
    """SHA-256, in hex. Python takes 1, 1.0 and True for equal, which a filter does not."""
    return hashlib.sha256(json.dumps(dict(attributes), sort_keys=True).encode()).hexdigest()
