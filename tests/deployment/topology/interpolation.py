"""Variables in a Compose file: `$X`, `${X}`, `${X:-default}`, `${X:?message}`, `${X:+other}`."""

import re
from collections.abc import Mapping
from typing import Any

_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_]\w*)|"
    r"\{(?P<name>[A-Za-z_]\w*)(?P<colon>:?)(?P<operator>[-?+]?))"
)


class MissingVariable(Exception):
    """The file requires a variable, or uses `$` for nothing that Compose knows."""


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """The document with every string in it interpolated. Raises MissingVariable."""
    if isinstance(value, str):
        return _text(value, variables)
    if isinstance(value, list):
        return [interpolated(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: interpolated(item, variables) for key, item in value.items()}
    return value


def _text(text: str, variables: Mapping[str, str]) -> str:
    parts, at = [], 0
    while (dollar := text.find("$", at)) >= 0:
        found = _REFERENCE.match(text, dollar)
        if found is None:
            raise MissingVariable(f"a stray $ in {text!r}")
        end = found.end()
        if found["name"]:
            end = _closing(text, end)
        parts += [text[at:dollar], _value(found, text[found.end() : end], variables)]
        at = end + bool(found["name"])
    return "".join([*parts, text[at:]])


def _value(found: re.Match[str], word: str, variables: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    name = found["plain"] or found["name"]
    value = variables.get(name)
    is_set = bool(value) if found["colon"] else value is not None
    match found["operator"]:
        case "-" if not is_set:
            return _text(word, variables)
        case "?" if not is_set:
            raise MissingVariable(f"{name}: {_text(word, variables)}")
        case "+":
            return _text(word, variables) if is_set else ""
    return value or ""


def _closing(text: str, start: int) -> int:
    """Where the brace closes that is open at `start`; words may hold references of their own."""
    depth = 1
    for at in range(start, len(text)):
        depth += text.startswith("${", at) - (text[at] == "}")
        if not depth:
            return at
    raise MissingVariable(f"an open brace in {text!r}")
