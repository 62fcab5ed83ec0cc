"""What /openapi.json says is whole and right: clients are generated from it, and people read it."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import pytest

from app.errors import _STATUS_OF, BodyRefused, Problem
from app.main import create_app
from app.problem_codes import CODES
from app.refusals import refuses

METHODS = {"get", "put", "post", "patch", "delete"}
HANGUL = re.compile(r"[가-힣]")


@cache
def described() -> dict[str, Any]:
    return create_app().openapi()


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described()["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield f"{method.upper()} {path}", operation


def schemas(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Whatever describes a value, wherever it stands."""
    if isinstance(node, dict):
        if {"type", "anyOf", "oneOf", "$ref", "enum"} & node.keys() and "in" not in node:
            yield place, node
        for name, inner in node.items():
            if name not in {"examples", "example", "default", "enum"}:
                yield from schemas(inner, f"{place}/{name}")
    elif isinstance(node, list):
        for number, inner in enumerate(node):
            yield from schemas(inner, f"{place}/{number}")


def is_valid(value: object, schema: dict[str, Any]) -> bool:
    whole = {**schema, "components": described()["components"]}
    return bool(jsonschema_rs.validator_for(whole, validate_formats=True).is_valid(value))


def test_every_operation_says_what_it_does() -> None:
    ids = [operation["operationId"] for _, operation in operations()]
    assert len(ids) == len(set(ids)), "generated clients name their functions by them"
    for name, operation in operations():
        assert re.fullmatch(r"[A-Z].{3,60}[^.]", operation["summary"]), name
        assert re.match(r"[A-Z0-9].{5,}", operation.get("description", "")), name
        assert operation["description"].rstrip().endswith("."), name


def test_every_parameter_is_described() -> None:
    for name, operation in operations():
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (name, parameter["name"])


def test_every_field_is_described() -> None:
    missing = [
        f"{place}/{name}"
        for place, schema in schemas(described())
        for name, field in schema.get("properties", {}).items()
        if not field.get("description") and "itemSchema" not in place  # of events, FastAPI's own
    ]
    assert not missing


def test_every_schema_has_an_example_or_says_its_values() -> None:
    components = described()["components"]["schemas"]
    bare = [
        name
        for name, schema in components.items()
        if not schema.get("examples") and not (schema.get("enum") and schema.get("description"))
    ]
    assert not bare
    korean = [name for name, schema in components.items() if HANGUL.search(str(schema))]
    assert {"SearchRequest", "SearchResponse", "EmbedRequest", "ClassifyRequest"} <= {*korean}


def test_every_example_is_valid_where_it_stands() -> None:
    wrong, seen = [], 0
    for place, schema in schemas(described()):
        for example in schema.get("examples", []):
            seen += 1
            if not is_valid(example, schema):
                wrong.append((place, example))
    assert not wrong
    assert seen > 50


def test_every_reference_leads_somewhere() -> None:
    components = described()["components"]["schemas"]
    for place, schema in schemas(described()):
        if "$ref" in schema:
            assert schema["$ref"].removeprefix("#/components/schemas/") in components, place


def test_every_refusal_is_a_problem() -> None:
    for name, operation in operations():
        for status, response in operation["responses"].items():
            if int(status) < 400:
                continue
            assert [*response["content"]] == ["application/problem+json"], (name, status)
            for code in re.findall(r"- `(\w+)`: ", response["description"]):
                assert CODES[code].status == int(status)
            assert ("Retry-After" in response.get("headers", {})) == (status in {"429", "503"})


def test_every_error_has_its_code_in_the_table() -> None:
    kinds = [*descendants(Problem), *descendants(BodyRefused)]
    found = {(kind.code, kind.status) for kind in kinds}
    found |= {(code, status) for status, code in _STATUS_OF.values()}
    assert {(code, CODES[code].status) for code, _ in found} == found


def test_every_code_is_answered_by_some_operation_or_by_any() -> None:
    documented = {
        code
        for _, operation in operations()
        for response in operation["responses"].values()
        for code in re.findall(r"- `(\w+)`: ", response["description"])
    }
    of_no_operation = {"method_not_allowed", "internal_error", "encoding_failed"}
    assert documented == CODES.keys() - of_no_operation


def test_a_code_that_nobody_knows_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="no such codes"):
        refuses("nonsense")


def descendants(kind: Any) -> Iterator[Any]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)
