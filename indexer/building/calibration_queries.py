"""The texts that a build is calibrated on: what the collection's own images are called, and
everyday queries in Korean and English through the templates that people type them with.
"""

import random
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_TEXTS = Path(__file__).with_name("calibration_texts.txt")
_TEMPLATES = {"ko": ("{}", "{} 사진", "{} 추천"), "en": ("{}", "a photo of {}", "{} for sale")}
_HANGUL = re.compile(r"[가-힣]")
_WORDY = re.compile(r"[^\W\d_]{2}")
_ADDRESS = re.compile(r"^\w+:/|\.\w{2,4}$|[\\/]\S+[\\/]")
_MOST = 256
_MOST_OWN = 128
_MOST_WORDS = 12


def calibration_texts(attributes: Iterable[Mapping[str, object]]) -> list[str]:
    """Up to 256 texts, at most half of them from `attributes` of images; the same every time."""
    own = _sample(_own_texts(attributes), _MOST_OWN)
    return own + _sample(everyday_texts(), _MOST - len(own))


def everyday_texts() -> list[str]:
    """Shipped with the package; three a line, in the line's language."""
    lines = _TEXTS.read_text(encoding="utf-8").splitlines()
    return [
        template.format(line)
        for line in lines
        for template in _TEMPLATES["ko" if _HANGUL.search(line) else "en"]
    ]


def _own_texts(attributes: Iterable[Mapping[str, object]]) -> list[str]:
    """Captions, titles, categories: distinct texts that read like words, cut to twelve."""
    found = {
        " ".join(value.split()[:_MOST_WORDS])
        for values in attributes
        for value in values.values()
        if isinstance(value, str) and _WORDY.search(value) and not _ADDRESS.search(value)
    }
    return sorted(found)


def _sample(texts: list[str], most: int) -> list[str]:
    return random.Random(0).sample(texts, min(most, len(texts)))  # noqa: S311 - a sample
