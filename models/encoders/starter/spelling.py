"""Says in English what the sentence encoder cannot spell in Korean.

Its 128,000 pieces, shared by 16 languages, leave out Hangul syllables as common as 곰, 빵
and 옷: to it "곰", "빵" and "옷" are one and the same unknown text. `glosses.tsv`
gives such words in English, which the encoder reads in the midst of Korean as well.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

GLOSS_FILE = Path(__file__).with_name("glosses.tsv")
PARTICLES = frozenset(
    [
        *("은", "는", "이", "가", "을", "를", "의", "에", "에서", "에게", "께", "로", "으로"),
        *("와", "과", "랑", "이랑", "도", "만", "들", "들이", "들을", "들의", "들은"),
        *("인", "이나", "처럼", "까지", "부터", "보다"),
    ]
)


def spell(text: str) -> str:
    """The text with glossed words in English and each symbol (🐶) as its Unicode name."""
    pattern, glosses = _glosses()
    named = "".join(map(_symbol_name, text))
    return " ".join(pattern.sub(lambda match: f" {glosses[match[0]]} ", named).split())


def _symbol_name(char: str) -> str:
    if unicodedata.category(char) != "So":
        return char
    return f" {unicodedata.name(char, '').lower()} "


@cache
def _glosses() -> tuple[re.Pattern[str], dict[str, str]]:
    """A word of one syllable is glossed only where it stands alone or with a particle:
    춤 is a dance, 맞춤 is not.
    """
    with GLOSS_FILE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        glosses = {row["korean"]: row["english"] for row in rows}
    long = _alternatives(word for word in glosses if len(word) > 1)
    short = _alternatives(word for word in glosses if len(word) == 1)
    alone = rf"\b(?:{short})(?=(?:{_alternatives(PARTICLES)})?\b)"
    return re.compile(f"{long}|{alone}"), glosses


def _alternatives(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=lambda word: (-len(word), word))))
