"""Hangul syllables and the jamo they are typed with.

Jamo here are those of a keyboard (U+3131 to U+3163, "compatibility jamo"), one a keystroke: ㄲ is
one (shift), ㅘ is two (ㅗ, ㅏ) and ㄳ is two (ㄱ, ㅅ). What is typed in part is then a prefix of
what is meant: decompose("운동ㅎ") and decompose("운동호") of decompose("운동화").
"""

import re

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
MEDIALS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_STROKES = dict(
    zip("ㅘㅙㅚㅝㅞㅟㅢ", ("ㅗㅏ", "ㅗㅐ", "ㅗㅣ", "ㅜㅓ", "ㅜㅔ", "ㅜㅣ", "ㅡㅣ"), strict=True)
)
_STROKES |= dict(zip("ㄳㄵㄶㅄ", ("ㄱㅅ", "ㄴㅈ", "ㄴㅎ", "ㅂㅅ"), strict=True))
_STROKES |= {
    jamo: "ㄹ" + last for jamo, last in zip("ㄺㄻㄼㄽㄾㄿㅀ", "ㄱㅁㅂㅅㅌㅍㅎ", strict=True)
}

_INITIAL = {jamo: number for number, jamo in enumerate(INITIALS)}
_MEDIAL = {_STROKES.get(jamo, jamo): number for number, jamo in enumerate(MEDIALS)}
_FINAL = {_STROKES.get(jamo, jamo): number for number, jamo in enumerate(["", *FINALS])}
_FIRST = ord("가")

_SYLLABLE = re.compile(
    f"([{INITIALS}])"
    "(ㅗ[ㅏㅐㅣ]|ㅜ[ㅓㅔㅣ]|ㅡㅣ|[ㅏ-ㅣ])"
    # A consonant before a vowel begins the next syllable: 달기, but 닭이.
    "(?:(ㄱㅅ|ㄴ[ㅈㅎ]|ㄹ[ㄱㅁㅂㅅㅌㅍㅎ]|ㅂㅅ|[ㄱ-ㄷㄹㅁㅂㅅ-ㅈㅊ-ㅎ])(?![ㅏ-ㅣ]))?"
)


def is_syllable(character: str) -> bool:
    return "가" <= character <= "힣"


def is_jamo(character: str) -> bool:
    """A consonant or a vowel that stands alone."""
    return "ㄱ" <= character <= "ㅣ"


def split(syllable: str) -> tuple[str, str, str]:
    """The initial, medial and final of a syllable, in keystrokes: 닭 → (ㄷ, ㅏ, ㄹㄱ)."""
    initial, rest = divmod(ord(syllable) - _FIRST, len(_MEDIAL) * len(_FINAL))
    medial, final = divmod(rest, len(_FINAL))
    return INITIALS[initial], _strokes(MEDIALS[medial]), _strokes(FINALS[final - 1 : final])


def decompose(text: str) -> str:
    """One jamo a keystroke; what is not Hangul stays."""
    return "".join("".join(split(c)) if is_syllable(c) else _strokes(c) for c in text)


def compose(text: str) -> str:
    """Jamo into syllables as a keyboard does it; those that form none stay as they are typed.

    compose(decompose(text)) is the text again where no jamo in it stands alone.
    """
    return _SYLLABLE.sub(_syllable, decompose(text))


def initials(text: str) -> str:
    """초성: 빨간 운동화 → ㅃㄱ ㅇㄷㅎ. What is not a syllable stays: ㅇㄷㅎ → ㅇㄷㅎ, ㄳ → ㄱㅅ."""
    return "".join(split(c)[0] if is_syllable(c) else _strokes(c) for c in text)


def _strokes(jamo: str) -> str:
    return _STROKES.get(jamo, jamo)


def _syllable(match: re.Match[str]) -> str:
    initial, medial, final = match.groups(default="")
    number = _INITIAL[initial] * len(_MEDIAL) + _MEDIAL[medial]
    return chr(_FIRST + number * len(_FINAL) + _FINAL[final])
