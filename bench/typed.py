"""How well queries are understood as they are typed, and what that costs them.

python -m bench.typed

The labelled queries of tests/app/typed/cases.tsv by kind: recall is the share that becomes what it
should, precision the share of those changed that become it. Microseconds are of the processor, in
the best of 20 rounds over the kind, beside the limit of 200. Then whole word lists, each word a
query of its own: names of things (the starter's vocabulary) and what wordfreq lists.
"""

import csv
from collections.abc import Callable, Iterable
from itertools import islice
from time import perf_counter, process_time

from rich.console import Console
from rich.table import Table
from wordfreq import get_frequency_dict

from app.hangul.jamo import is_syllable
from app.hangul.keyboard import typed_as_hangul, typed_as_latin
from app.search.typed.query import prepare, understand
from models.encoders.starter.vocabulary import CLASS_FILE
from tests.app.typed.labelled import Case, cases, scores

LIMIT_MICROSECONDS = 200
ROUNDS = 20


def main() -> None:
    started = perf_counter()
    prepare()
    print(f"dictionaries read in {perf_counter() - started:.2f} s")
    console = Console()
    console.print(_by_kind(cases()))
    console.print(_by_list())


def _by_kind(labelled: list[Case]) -> Table:
    table = Table("kind", "cases", "recall", "precision", "µs a query", f"of {LIMIT_MICROSECONDS}")
    for score in scores(labelled):
        cost = _microseconds([case.typed for case in labelled if case.kind == score.kind])
        share = cost / LIMIT_MICROSECONDS
        figures = (f"{score.recall:.3f}", f"{score.precision:.3f}", f"{cost:.0f}", f"{share:.2f}")
        table.add_row(score.kind, str(score.cases), *figures)
    return table


def _microseconds(texts: list[str]) -> float:
    def seconds() -> float:
        started = process_time()
        for text in texts:
            understand(text)
        return process_time() - started

    return min(seconds() for _ in range(ROUNDS)) / len(texts) * 1e6


def _by_list() -> Table:
    english = [w for w in get_frequency_dict("en", "large") if w.isascii() and w.isalpha()]
    korean = [w for w in get_frequency_dict("ko") if all(map(is_syllable, w))]
    things = _names_of_things("korean")
    long = list(islice((word for word in english if len(word) > 3), 5000))
    table = Table("a query each", "queries", "as it should be")
    for title, words, typed in (
        ("names of things, Korean", things, str),
        ("names of things, English", _names_of_things("english"), str),
        ("Korean words", korean, str),
        ("English words", english, str),
        ("names of things, Korean, typed in English mode", things, typed_as_latin),
        ("Korean words of 2 syllables or more, the same", _several(korean), typed_as_latin),
        ("the 5,000 first English words of 4 letters, in Korean mode", long, typed_as_hangul),
    ):
        table.add_row(title, str(len(words)), f"{_share(words, typed):.4f}")
    return table


def _share(words: list[str], typed: Callable[[str], str]) -> float:
    return sum(understand(typed(word)).normalized == word for word in words) / len(words)


def _several(words: Iterable[str]) -> list[str]:
    return [word for word in words if len(word) > 1]


def _names_of_things(language: str) -> list[str]:
    with CLASS_FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return sorted({name.strip() for row in rows for name in row[language].split(",")})


if __name__ == "__main__":
    main()
