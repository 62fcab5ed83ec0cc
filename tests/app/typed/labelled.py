"""Queries as people type them, and what each should become: `cases.tsv`."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from app.search.typed.query import TypedQuery, understand

CLEAN = "clean"
_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")


@dataclass(frozen=True)
class Case:
    typed: str
    normalized: str
    repaired_from: str | None
    kind: str

    def is_met_by(self, query: TypedQuery) -> bool:
        return (query.normalized, query.repaired_from) == (self.normalized, self.repaired_from)


@dataclass(frozen=True)
class Score:
    """Of the cases of one kind."""

    kind: str
    cases: int
    missed: tuple[Case, ...]
    """Left as they were."""
    wrong: tuple[Case, ...]
    """Changed into something else than they should."""

    @property
    def recall(self) -> float:
        return 1 - (len(self.missed) + len(self.wrong)) / self.cases

    @property
    def precision(self) -> float:
        """Of what was changed."""
        changed = self.cases - len(self.missed)
        return 1 - len(self.wrong) / changed if changed else 1.0


def cases() -> list[Case]:
    with Path(__file__).with_name("cases.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Case(
            _plain(row["typed"]),
            _plain(row["normalized"]),
            _plain(row["repaired_from"]) or None,
            row["kind"],
        )
        for row in rows
    ]


def scores(labelled: Iterable[Case]) -> list[Score]:
    by_kind: dict[str, list[Case]] = {}
    for case in labelled:
        by_kind.setdefault(case.kind, []).append(case)
    return [_score(kind, of_kind) for kind, of_kind in by_kind.items()]


def _score(kind: str, of_kind: list[Case]) -> Score:
    failed = [case for case in of_kind if not case.is_met_by(understand(case.typed))]
    missed = tuple(case for case in failed if understand(case.typed).normalized == case.typed)
    return Score(kind, len(of_kind), missed, tuple(set(failed) - set(missed)))


def _plain(field: str) -> str:
    """What cannot be seen is written by its number."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), field)
