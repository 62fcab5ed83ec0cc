"""Spaces where a shop writes them: 운동 화 → 운동화, 검정가죽자켓 → 검정 가죽 자켓.

Much of it is a matter of taste, and 바다 가재 is no 바다가재. So a word is divided only into words
of the trade, and two are joined only where the dictionary has them as one.
"""

from app.hangul.jamo import is_syllable
from app.search.typed import korean, trade

_MARGIN = 1.0
"""Powers of ten by which the whole is more likely than a piece that is no word beside the rest."""
_MARGIN_OF_WORDS = 2.3
"""The same where both could be words: 노트 북, but not 장미 꽃. From 2.0 on, none of 6,200 names of
things is joined."""
_SHORTEST = 2
_LONGEST = 16
_LONGEST_JOINED = 4


def respaced(text: str) -> str:
    words = _joined(text.split(" "))
    return " ".join(piece for word in words for piece in _pieces(word))


def _pieces(word: str) -> list[str]:
    if not 2 * _SHORTEST <= len(word) <= _LONGEST or not _is_hangul(word):
        return [word]
    pieces = _divided(word)
    if pieces is None or len(korean.read(word).morphemes) == 1:
        return [word]
    return pieces


def _divided(word: str) -> list[str] | None:
    """Into words of the trade, the last of them a thing; or a colour and a noun."""
    if word in trade.things():
        return [word]
    for end in range(len(word) - _SHORTEST, _SHORTEST - 1, -1):
        first, rest = word[:end], word[end:]
        if first in trade.words() and (pieces := _divided(rest)):
            return [first, *pieces]
        if first in trade.colours() and _is_one_noun(rest):
            return [first, rest]
    return None


def _joined(words: list[str]) -> list[str]:
    """From the left, as many at a time as belong together."""
    joined = []
    while words:
        ends = range(min(len(words), _LONGEST_JOINED), 1, -1)
        end = next((end for end in ends if _belong_together(words[:end])), 1)
        joined.append("".join(words[:end]))
        words = words[end:]
    return joined


def _belong_together(words: list[str]) -> bool:
    whole = "".join(words)
    if len(whole) > _LONGEST_JOINED or not _is_hangul(whole) or not _is_one_noun(whole):
        return False
    pieces = {word for word in words if len(word) == 1} - trade.single_syllables()
    if not pieces and len(words) > 2:  # 비 온 뒤
        return False
    gain = korean.read(whole).likelihood - korean.read(" ".join(words)).likelihood
    return gain > (_MARGIN if pieces else _MARGIN_OF_WORDS)


def _is_one_noun(word: str) -> bool:
    """Of several syllables; or one with a suffix: 운동 + 화."""
    if len(word) < _SHORTEST:
        return False
    first, *rest = korean.read(word).morphemes
    return first.is_noun and all(morpheme.tag == "XSN" for morpheme in rest)


def _is_hangul(word: str) -> bool:
    return all(map(is_syllable, word))
