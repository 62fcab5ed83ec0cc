"""Words struck in the wrong mode of the keyboard, or composed by half, as they were meant.

A word is repaired where another reading of its keys is far more likely than the word as it stands.
The mode seldom changes within a query: beside a word that was surely mistyped, less is enough.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from app.hangul.jamo import compose, is_jamo, is_syllable
from app.hangul.keyboard import typed_as_hangul, typed_as_latin
from app.search.typed import english, korean, trade

# All of these are powers of ten. How they were chosen: docs/decisions/0013-korean-as-typed.md
_MARGIN = 2.5
_MARGIN_BESIDE_A_REPAIR = -1.5
_LEAST_KOREAN = -6.0
"""A reading less likely than this, and the next for each syllable, is no Korean at all."""
_LEAST_OF_A_SYLLABLE = -0.8
_FREQUENT = -5.5
"""An English word that nobody mistypes into, whatever stands beside it."""
_STRAY_JAMO = -9.0
_INITIAL = -1.2
_CAPITAL_BY_CHANCE = -2.0
_OF_THE_TRADE = 1.0

_SHORTEST_ENGLISH = 3
_SHORTEST_IN_CAPITALS = 6

_WORD = re.compile(r"([\"'(]*)([A-Za-zㄱ-ㅣ가-힣]+)([\"'),.!?]*)")
_LATIN = re.compile(r"[A-Za-z]+")
_STRAY = re.compile(r"[ㄱ-ㅣ]?([가-힣]{2,})[ㄱ-ㅣ]?")


@dataclass(frozen=True, slots=True)
class _Reading:
    text: str
    meant: Literal["hangul", "latin", "composed"]
    gain: float
    """Powers of ten by which it is more likely than what stands there."""
    is_sure: bool
    """Whether it needs no repaired word beside it."""


def repaired(text: str) -> str:
    """The text itself where nothing is to be repaired."""
    words = text.split(" ")
    readings = [_best(word) for word in words]
    meant = {reading.meant for reading in readings if reading and reading.is_sure}
    if not meant:
        return text
    return " ".join(
        reading.text if reading and (reading.is_sure or reading.meant in meant) else word
        for word, reading in zip(words, readings, strict=True)
    )


def _best(word: str) -> _Reading | None:
    match = _WORD.fullmatch(word)
    if match is None:
        return None
    before, core, after = match.groups()
    best = max(_readings(core), key=lambda reading: reading.gain, default=None)
    if best is None or best.gain < _MARGIN_BESIDE_A_REPAIR:
        return None
    return replace(best, text=before + best.text + after)


def _readings(core: str) -> Iterator[_Reading]:
    if core.isascii():
        yield from _latin_as_hangul(core)
    elif _LATIN.search(core):
        yield from _mixture_as_hangul(core)
    else:
        yield from _hangul_as_latin(core)
        yield from _composed(core)


def _latin_as_hangul(core: str) -> Iterator[_Reading]:
    """rhdiddl → 고양이. A phone makes the first letter a capital, caps lock all."""
    if _is_frequent(core) or (core.isupper() and len(core) < _SHORTEST_IN_CAPITALS):
        return
    spellings = {core.lower() if core.isupper() else core: 0.0}
    spellings.setdefault(core[0].lower() + core[1:], _CAPITAL_BY_CHANCE)
    for spelling, chance in spellings.items():
        hangul = typed_as_hangul(spelling)
        if _is_korean(hangul):
            known = _OF_THE_TRADE if hangul in trade.words() else 0.0
            likelihood = korean.read(hangul).likelihood + chance + known
            gain = likelihood - english.likelihood(core)
            yield _Reading(hangul, "hangul", gain, gain > _MARGIN and len(hangul) > 1)


def _mixture_as_hangul(core: str) -> Iterator[_Reading]:
    """EHr같은 → 똑같은. V넥, LG전자 and nike운동화 are no such mixtures."""
    latin = _LATIN.findall(core)
    if any(len(run) == 1 or run.isupper() or _is_frequent(run) for run in latin):
        return
    hangul = typed_as_hangul(core)
    if _is_korean(hangul):
        as_typed = korean.read(_LATIN.sub(" ", core)).likelihood
        as_typed += sum(map(english.likelihood, latin))
        gain = korean.read(hangul).likelihood - as_typed
        yield _Reading(hangul, "hangul", gain, gain > _MARGIN)


def _hangul_as_latin(core: str) -> Iterator[_Reading]:
    """ㅡㅐㅕㄴㄷ → mouse. A syllable in use is one: 양, not did."""
    latin = typed_as_latin(core).lower()
    if english.is_word(latin) and not (len(core) == 1 and _is_in_use(core)):
        gain = english.likelihood(latin) - _as_typed(core)
        is_sure = gain > _MARGIN and len(latin) >= _SHORTEST_ENGLISH
        yield _Reading(latin, "latin", gain, is_sure)


def _composed(core: str) -> Iterator[_Reading]:
    """고양ㅇㅣ and 고양이ㅣ → 고양이."""
    if not any(map(is_jamo, core)):
        return
    stray = _STRAY.fullmatch(core)
    for hangul in (compose(core), stray[1] if stray else core):
        if _is_korean(hangul):
            gain = korean.read(hangul).likelihood - _as_typed(core)
            yield _Reading(hangul, "composed", gain, gain > _MARGIN)


def _as_typed(core: str) -> float:
    """Consonants alone are meant as initials: ㅇㄷㅎ asks for 운동화."""
    if all("ㄱ" <= letter <= "ㅎ" for letter in core):
        return _INITIAL * (len(core) + 1)
    likelihood = korean.read(core).likelihood
    return min(likelihood, _STRAY_JAMO) if any(map(is_jamo, core)) else likelihood


def _is_korean(hangul: str) -> bool:
    least = _LEAST_KOREAN + _LEAST_OF_A_SYLLABLE * len(hangul)
    return all(map(is_syllable, hangul)) and korean.read(hangul).likelihood > least


def _is_in_use(character: str) -> bool:
    """Whether it is one of the 2,350 syllables of KS X 1001, which take two bytes."""
    return is_syllable(character) and len(character.encode("euc_kr")) == 2


def _is_frequent(letters: str) -> bool:
    return english.is_word(letters) and english.likelihood(letters) > _FREQUENT
