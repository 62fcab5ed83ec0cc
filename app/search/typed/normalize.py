"""One spelling for what looks the same: no guess is made here."""

import unicodedata
from typing import Literal

from app.hangul.jamo import FINALS, INITIALS, MEDIALS, compose, is_jamo, is_syllable
from models.errors import InvalidInput


def normalize(text: str) -> str:
    """NFC, without control and format characters, single spaces. Raises InvalidInput if blank.

    macOS and some keyboards send Hangul decomposed (NFD), which no tokenizer knows; Asian ones send
    letters and digits in full width.
    """
    if not text.isascii():
        text = "".join(map(_plain, text)).translate(_INVISIBLE)
        text = unicodedata.normalize("NFC", text).translate(_LONE_JAMO)
    normalized = " ".join(map(_composed, _printable(text).split()))
    if not normalized:
        raise InvalidInput("the query is blank")
    return unicodedata.normalize("NFC", normalized)


def language_of(text: str) -> Literal["ko", "en"]:
    """Korean if there is any Hangul: "블랙 leather 자켓" is a Korean query."""
    return "ko" if any(_is_hangul(character) for character in text) else "en"


_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff\u115f\u1160\u3164"))
"""Removed without a trace: they stand inside words. The last three fill the place of a jamo."""

_LONE_JAMO = {
    first + number: jamo
    for first, letters in ((0x1100, INITIALS), (0x1161, MEDIALS), (0x11A8, FINALS))
    for number, jamo in enumerate(letters)
}
"""Jamo of a decomposed text that form no syllable → those of a keyboard."""

_FORMS = ("<wide>", "<narrow>", "<font>")
_LIGATURES = range(0xFB00, 0xFB07)
"""ﬀ to ﬆ, out of PDF files."""


def _plain(character: str) -> str:
    """NFKC for what differs in its shape alone: ² and ㎏ stay."""
    if ord(character) in _LIGATURES:
        return unicodedata.normalize("NFKC", character)
    form, _, plain = unicodedata.decomposition(character).partition(" ")
    return chr(int(plain, 16)) if form in _FORMS else character


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c for c in text)


def _composed(word: str) -> str:
    """ㄱㅗㅇㅑㅇㅇㅣ → 고양이: a keyboard composes what it can, so that nobody types this."""
    if not all(map(is_jamo, word)):
        return word
    composed = compose(word)
    return composed if all(map(is_syllable, composed)) else word


def _is_hangul(character: str) -> bool:
    return (
        is_syllable(character)
        or "\u1100" <= character <= "\u11ff"
        or "\u3131" <= character <= "\u318e"
    )
