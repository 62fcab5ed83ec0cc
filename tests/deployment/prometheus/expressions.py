"""Expressions in PromQL: those of the rules and the dashboard, and what they name."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.deployment.prometheus import DASHBOARD, RULES

_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_MATCHER = re.compile(r"(\w+)\s*[=!]~?")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_NAME = re.compile(r"(?<![\w:$])[a-zA-Z_:][\w:]*(?![\w:]|\s*\()")
_WORDS = frozenset({"and", "or", "unless", "offset", "bool"})


@dataclass(frozen=True)
class Named:
    """What an expression names."""

    metrics: frozenset[str]
    matched: frozenset[tuple[str, str]]
    """(metric, label) of its selectors."""
    grouped: frozenset[str]
    """Labels that it groups or joins by."""


def named(expression: str) -> Named:
    bare = re.sub(r'"[^"]*"', '""', expression)
    grouped = {
        label.strip() for labels in _GROUPING.findall(bare) for label in labels.split(",") if label
    }
    matched = {
        (metric, label)
        for metric, matchers in _SELECTOR.findall(bare)
        for label in _MATCHER.findall(matchers)
    }
    rest = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", _GROUPING.sub("", bare))
    metrics = frozenset(_NAME.findall(rest)) - _WORDS
    return Named(metrics, frozenset(matched), frozenset(grouped))


@dataclass(frozen=True)
class Rule:
    name: str
    expression: str
    is_alert: bool
    raw: dict[str, Any] = field(compare=False)


def rules() -> list[Rule]:
    return [
        Rule(rule.get("alert") or rule["record"], rule["expr"], "alert" in rule, rule)
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
    ]


@dataclass(frozen=True)
class Query:
    panel: str
    expression: str
    """As Grafana sends it, for all collections."""
    legend: frozenset[str]
    """Labels that its legend shows."""


def dashboard() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return parsed


def queries() -> Iterator[Query]:
    """Of the panels, of the annotations, and of what the variable is chosen from."""
    board = dashboard()
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield _query(panel["title"], target["expr"], target.get("legendFormat", ""))
    for annotation in board["annotations"]["list"]:
        shown = annotation["titleFormat"] + annotation["textFormat"]
        yield _query(annotation["name"], annotation["target"]["expr"], shown)
    for variable in board["templating"]["list"]:
        if found := re.fullmatch(r"label_values\((\w+), (\w+)\)", variable.get("definition", "")):
            yield Query(variable["name"], found[1], frozenset({found[2]}))


def _query(panel: str, expression: str, legend: str) -> Query:
    for variable, value in {"$collection": ".*", "$__rate_interval": "1m"}.items():
        expression = expression.replace(variable, value)
    return Query(panel, expression, frozenset(re.findall(r"\{\{(\w+)\}\}", legend)))
