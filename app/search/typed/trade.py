"""Words of shops that sell by pictures, and of who photographs (`trade.tsv`)."""

import csv
from functools import cache
from pathlib import Path


@cache
def words() -> frozenset[str]:
    """Things, animals, and what is said of them: 운동화, 고양이, 가죽, 여름."""
    return things() | colours() | _table()["animal"] | _table()["quality"]


def things() -> frozenset[str]:
    return _table()["thing"]


def colours() -> frozenset[str]:
    """Those that only ever stand before a noun: 빨간."""
    return _table()["colour"]


def kinds_of_pictures() -> frozenset[str]:
    """가족 사진 is asked for, not 가족."""
    return _table()["picture"]


def single_syllables() -> frozenset[str]:
    """What is a word by itself, 옷 and 큰, and no piece of one."""
    return _table()["syllable"]


@cache
def _table() -> dict[str, frozenset[str]]:
    kinds: dict[str, set[str]] = {}
    with Path(__file__).with_name("trade.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            kinds.setdefault(row["kind"], set()).update(row["korean"].split())
    return {kind: frozenset(korean) for kind, korean in kinds.items()}
