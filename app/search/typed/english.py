"""How likely letters are as an English word."""

import math
from collections import Counter
from functools import cache
from itertools import pairwise

from wordfreq import get_frequency_list

from app.hangul.keyboard import may_spell_syllables

_RARE = 1e-7
"""Rarer than this are two words in three; of them those are kept that could be taken for Korean."""
_WORDS_FOR_LETTERS = 20_000
_UNHEARD_OF = -1.0
_END = "$"


def likelihood(word: str) -> float:
    """A base-10 logarithm, as of a word in running text: -4 is a common word, -13 no word at all.

    Of a word that nobody lists, a brand for one, it is that of its letters.
    """
    known = _logs().get(word.lower())
    return _UNHEARD_OF + _of_letters(word.lower()) if known is None else known


def is_word(letters: str) -> bool:
    return letters.lower() in _logs()


@cache
def _logs() -> dict[str, float]:
    """wordfreq's list: the words at place n have a frequency of 10 ** (-n / 100). 0.2 s, once."""
    rare = -100 * math.log10(_RARE)
    return {
        word: -place / 100
        for place, words in enumerate(get_frequency_list("en", "large"))
        for word in words
        if word.isascii() and word.isalpha() and (place <= rare or may_spell_syllables(word))
    }


def _of_letters(word: str) -> float:
    pairs, firsts = _letter_pairs()
    return sum(
        math.log10((pairs[a, b] + 0.1) / (firsts[a] + 2.7)) for a, b in pairwise(_END + word + _END)
    )


@cache
def _letter_pairs() -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """How often a letter follows another in a list of words, and how often each is followed."""
    pairs: Counter[tuple[str, str]] = Counter()
    for word in list(_logs())[:_WORDS_FOR_LETTERS]:
        pairs.update(pairwise(_END + word + _END))
    firsts: Counter[str] = Counter()
    for (first, _), count in pairs.items():
        firsts[first] += count
    return pairs, firsts
