"""두벌식, the keyboard of Korea: what a text's keys would have been in the other language."""

import re

from app.hangul.jamo import compose, decompose

_KEYS = "qwertyuiopasdfghjklzxcvbnm"
_JAMO = "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ"
_SHIFTED = {"Q": "ㅃ", "W": "ㅉ", "E": "ㄸ", "R": "ㄲ", "T": "ㅆ", "O": "ㅒ", "P": "ㅖ"}
"""With shift the other keys give what they give without."""

_TO_JAMO = str.maketrans(_KEYS + _KEYS.upper(), _JAMO * 2) | str.maketrans(_SHIFTED)
_TO_KEYS = str.maketrans(
    _JAMO + "".join(_SHIFTED.values()),
    _KEYS + "".join(_SHIFTED),
)

# Consonants are on the left of the keyboard, vowels on the right.
_KEYS_OF_SYLLABLES = re.compile("(?:[qwertasdfgzxcv][yuiophjklbnm]{1,2}[qwertasdfgzxcv]{0,2})+")


def typed_as_hangul(text: str) -> str:
    """The keys of Latin letters, struck in Korean mode: "rhdiddl" → "고양이"."""
    return compose(text.translate(_TO_JAMO))


def typed_as_latin(text: str) -> str:
    """The keys of Hangul, struck in English mode: "ㅡㅐㅕㄴㄷ" → "mouse"."""
    return decompose(text).translate(_TO_KEYS)


def may_spell_syllables(text: str) -> bool:
    """False where `typed_as_hangul` leaves jamo alone, as of six English words in seven."""
    return _KEYS_OF_SYLLABLES.fullmatch(text.lower()) is not None
