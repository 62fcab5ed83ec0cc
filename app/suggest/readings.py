"""What a beginning may mean that is typed on a Korean keyboard."""

import re
from collections.abc import Iterator

from app.hangul.keyboard import typed_as_hangul, typed_as_latin

_CONSONANTS = re.compile(r"[ㄱ-ㅎ\s]+")
_LATIN = re.compile("[A-Za-z]")
_HANGUL = re.compile("[ㄱ-ㅣ가-힣]")


def has_hangul(text: str) -> bool:
    return _HANGUL.search(text) is not None


def reads_as_initials(text: str) -> bool:
    """Whether it is 초성: consonants alone."""
    return _CONSONANTS.fullmatch(text) is not None


def other_readings(text: str) -> Iterator[str]:
    """What the same keys are in the other language: dnsehd → 운동, ㅜㅑㅏㄷ → nike."""
    if _LATIN.search(text):
        typed = (typed_as_hangul(text), typed_as_hangul(text.lower()))  # or with caps lock
        # Consonants alone would be 초성: most English beginnings that are found nowhere.
        yield from (reading for reading in dict.fromkeys(typed) if not reads_as_initials(reading))
    if has_hangul(text):
        yield typed_as_latin(text)
