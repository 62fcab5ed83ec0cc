"""What the 1000 ImageNet classes are called, in Korean and English.

`classes.tsv` names each class; `groups.tsv` gives words that several
classes share. A group of kind `is` is a broader term (every beagle is a dog); one of
kind `near` is what such pictures show beside, or where they are taken (a wig is near a
woman, a snorkel near the sea). English class names are those of WordNet's synsets (Miller
1995) plus everyday ones.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple, cast

from models.encoders.starter.spelling import GLOSS_FILE

CLASSES = 1000
CLASS_FILE = Path(__file__).with_name("classes.tsv")
GROUP_FILE = Path(__file__).with_name("groups.tsv")

Kind = Literal["name", "is", "near"]
Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = ("ko", "en")


class Phrase(NamedTuple):
    text: str
    kind: Kind
    language: Language


@dataclass(frozen=True)
class Vocabulary:
    """Every phrase with the classes it stands for, and a digest of the source files,
    the glosses among them.
    """

    classes_of: dict[Phrase, frozenset[int]]
    digest: str

    @property
    def phrases(self) -> tuple[Phrase, ...]:
        return tuple(self.classes_of)

    def rows_of(self, language: Language) -> list[int]:
        """Where the phrases of one language stand."""
        return [row for row, phrase in enumerate(self.classes_of) if phrase.language == language]


def read_vocabulary() -> Vocabulary:
    classes_of: dict[Phrase, set[int]] = {}
    for phrase, classes in _rows():
        classes_of.setdefault(phrase, set()).update(classes)
    sources = b"".join(path.read_bytes() for path in (CLASS_FILE, GROUP_FILE, GLOSS_FILE))
    frozen = {phrase: frozenset(classes) for phrase, classes in classes_of.items()}
    return Vocabulary(frozen, sha256(sources).hexdigest())


def parse_classes(text: str) -> frozenset[int]:
    """`"3 10-12"` is {3, 10, 11, 12}."""
    spans = (part.partition("-") for part in text.split())
    return frozenset(
        n for first, _, last in spans for n in range(int(first), int(last or first) + 1)
    )


def _rows() -> Iterator[tuple[Phrase, frozenset[int]]]:
    for row in _read(CLASS_FILE):
        yield from _phrases(row, "name", frozenset({int(row["class"])}))
    for row in _read(GROUP_FILE):
        yield from _phrases(row, cast(Kind, row["kind"]), parse_classes(row["classes"]))


def _phrases(
    row: dict[str, str], kind: Kind, classes: frozenset[int]
) -> Iterator[tuple[Phrase, frozenset[int]]]:
    for text in row["korean"].split(", "):
        yield Phrase(text, kind, "ko"), classes
    for text in row["english"].split(", "):
        yield Phrase(text, kind, "en"), classes


def _read(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
