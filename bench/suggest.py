"""Completing what is typed: time, memory and building, beside others that hold the same terms.

python -m bench.suggest [--terms 100000] [--rounds 10] [--only ours sqlite marisa]

Method: synthetic terms of one to three words, seven in ten of them Korean, syllables and use by
Zipf's law. Each structure answers the same beginnings in a process of its own, through the same
`Dictionary`: what differs is how the most used of a prefix are found. 200 beginnings a kind, ten
completions each. A beginning's time is its median of all rounds, as a shared machine takes the
processor away for 4 ms at a time; p50, p99 and the worst are of the beginnings of a kind. Memory is
anonymous memory that building leaves, beyond what the terms took as objects.

ours      sorted words and two orders, in arrays (app/suggest/prefixes.py)
sqlite    a table of words and ranks in memory, by its primary key; ORDER BY rank LIMIT
marisa    marisa_trie.BinaryTrie of words and ranks: all keys of a prefix, then the least ranks

The pause is how much longer than 1 ms another thread slept while ours was built: what requests
of the same process would notice.
"""

import argparse
import heapq
import importlib.util
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.table import Table

from app.hangul.jamo import compose, decompose, initials
from app.hangul.keyboard import typed_as_hangul, typed_as_latin
from app.suggest import dictionary
from app.suggest.dictionary import Dictionary, Term
from app.suggest.prefixes import PrefixIndex
from bench.index_memory import anonymous_bytes, in_fresh_process

LIMIT_MS = 3.0
"""Of p99: 'a few milliseconds', on a server that also searches."""
BEGINNINGS = 200
COMPLETIONS = 10
_SYLLABLES, _MOST = 400, 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--terms", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=INDEXES, default=[*INDEXES])
    arguments = parser.parse_args()
    installed = [name for name in arguments.only if name != "marisa" or _has_marisa()]
    results = {
        name: in_fresh_process(measure, name, arguments.terms, arguments.rounds)
        for name in installed
    }
    show(results, arguments.terms)
    if "ours" in results:
        pauses = in_fresh_process(pauses_while_building, arguments.terms)
        print(f"pause of another thread while ours is built: {pauses}")


@dataclass(frozen=True)
class Measured:
    build_seconds: float
    memory_mb: float
    times_ms: dict[str, tuple[float, float, float]]
    """By kind of beginning: p50, p99, worst."""
    answers: dict[str, list[list[str]]]


class SqliteIndex:
    def __init__(self, texts: Sequence[bytes]) -> None:
        self._connection = sqlite3.connect(":memory:")
        self._connection.execute(
            "CREATE TABLE words (word BLOB, rank INT, PRIMARY KEY (word, rank)) WITHOUT ROWID"
        )
        self._connection.executemany("INSERT OR IGNORE INTO words VALUES (?, ?)", _words(texts))

    def ranks(self, prefix: bytes) -> Iterator[int]:
        prefix = prefix.replace(b" ", b"")
        rows = self._connection.execute(
            "SELECT DISTINCT rank FROM words WHERE word >= ? AND word < ? ORDER BY rank LIMIT ?",
            (prefix, prefix + b"\xff", _MOST),
        )
        return (rank for (rank,) in rows)


class MarisaIndex:
    def __init__(self, texts: Sequence[bytes]) -> None:
        import marisa_trie  # noqa: PLC0415 - may not be installed

        keys = (word + b"\0" + rank.to_bytes(4, "big") for word, rank in _words(texts))
        self._trie = marisa_trie.BinaryTrie(keys)

    def ranks(self, prefix: bytes) -> Iterator[int]:
        keys = self._trie.iterkeys(prefix.replace(b" ", b""))
        found = {int.from_bytes(key[-4:], "big") for key in keys}
        return iter(heapq.nsmallest(_MOST, found))


INDEXES: dict[str, Callable[[Sequence[bytes]], object]] = {
    "ours": PrefixIndex,
    "sqlite": SqliteIndex,
    "marisa": MarisaIndex,
}


def _has_marisa() -> bool:
    return importlib.util.find_spec("marisa_trie") is not None


def _words(texts: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
    """What follows the beginning of each word, and the rank of its text."""
    for rank, text in enumerate(texts):
        words = text.split()
        for start in range(len(words)):
            yield b"".join(words[start:]), rank


def measure(name: str, count: int, rounds: int) -> Measured:
    terms = synthetic_terms(count)
    Dictionary(terms[:10])  # tables of syllables are made once
    before, began = anonymous_bytes(), time.perf_counter()
    with patch.object(dictionary, "PrefixIndex", INDEXES[name]):
        built = Dictionary(terms)
    build_seconds = time.perf_counter() - began
    memory = (anonymous_bytes() - before) / 1e6
    kinds = beginnings(terms)
    times: dict[str, list[list[float]]] = {
        kind: [[] for _ in typed] for kind, typed in kinds.items()
    }
    for _ in range(rounds):
        for kind, typed in kinds.items():
            for number, beginning in enumerate(typed):
                began = time.perf_counter()
                built.complete(beginning, COMPLETIONS)
                times[kind][number].append(1000 * (time.perf_counter() - began))
    answers = {
        kind: [[term.text for term in built.complete(each, COMPLETIONS)] for each in typed]
        for kind, typed in kinds.items()
    }
    return Measured(build_seconds, memory, {k: _summary(v) for k, v in times.items()}, answers)


def _summary(times: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    p50, p99, worst = np.percentile(np.median(times, axis=1), [50, 99, 100]).tolist()
    return p50, p99, worst


def synthetic_terms(count: int) -> list[Term]:
    random = np.random.default_rng(0)
    hangul = [chr(code) for code in random.choice(np.arange(0xAC00, 0xD7A4), _SYLLABLES)]
    latin = [a + b for a in "bcdfghklmnprstwsts" for b in ("a", "e", "i", "o", "ar", "un")]

    def word() -> str:
        letters, most = (hangul, 5) if random.random() < 0.7 else (latin, 4)
        places = random.zipf(1.2, random.integers(1, most)) % len(letters)
        return "".join(letters[place] for place in places)

    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[" ".join(word() for _ in range(random.integers(1, 4)))] = None
    uses = random.zipf(1.5, (2, count)).clip(max=1_000_000)
    return [Term(text, int(a), int(b) - 1) for text, a, b in zip(texts, *uses, strict=True)]


def beginnings(terms: Sequence[Term]) -> dict[str, list[str]]:
    random = np.random.default_rng(1)
    chosen = [terms[place].text for place in random.permutation(len(terms))]
    korean = [text for text in chosen if "가" <= text[0] <= "힣"][:BEGINNINGS]
    english = [text for text in chosen if text[0].isascii()][:BEGINNINGS]
    later = [text.split()[-1] for text in chosen if " " in text][:BEGINNINGS]

    def cut(text: str, least: int, most: int) -> str:
        return text[: random.integers(least, most + 1)].strip()

    return {
        "nothing typed": [""],
        "one consonant": [initials(text)[0] for text in korean],
        "one syllable": [text[0] for text in korean],
        "one letter": [text[0] for text in english],
        "part of a syllable": [compose(cut(decompose(text), 4, 8)) for text in korean],
        "three letters": [text[:3] for text in english],
        "a later word": [cut(text, 2, 3) for text in later],
        "초성": [cut(initials(text), 2, 3) for text in korean],
        "Korean by English keys": [typed_as_latin(text[:2]) for text in korean],
        "English by Korean keys": [typed_as_hangul(text[:4]) for text in english],
        "the whole term": [text[:40] for text in korean],
        "nothing to be found": [f"쀍{text[:2]}" for text in korean],
    }


def pauses_while_building(count: int) -> str:
    terms = synthetic_terms(count)
    Dictionary(terms[:10])
    building = threading.Thread(target=Dictionary, args=[terms])
    late: list[float] = []
    building.start()
    while building.is_alive():
        began = time.perf_counter()
        time.sleep(0.001)
        late.append(1000 * (time.perf_counter() - began) - 1)
    p50, p99, most = np.percentile(late, [50, 99, 100]).tolist()
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {most:.1f} ms"


def show(results: dict[str, Measured], count: int) -> None:
    table = Table(title=f"{count:,} terms, ten completions: milliseconds (p50 / p99 / worst)")
    table.add_column("typed")
    for name in results:
        table.add_column(name, justify="right")
    table.add_column(f"p99 of ours / {LIMIT_MS:g} ms", justify="right")
    first = next(iter(results.values()))
    for kind in first.times_ms:
        cells = [
            "{:.3f} / {:.3f} / {:.3f}".format(*each.times_ms[kind]) for each in results.values()
        ]
        ratio = f"{first.times_ms[kind][1] / LIMIT_MS:.3f}" if "ours" in results else ""
        table.add_row(kind, *cells, ratio)
    table.add_row("build, s", *(f"{each.build_seconds:.1f}" for each in results.values()), "")
    table.add_row("memory, MB", *(f"{each.memory_mb:.1f}" for each in results.values()), "")
    Console(width=140).print(table)
    assert all(each.answers == first.answers for each in results.values()), "answers differ"


if __name__ == "__main__":
    main()
