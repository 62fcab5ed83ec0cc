"""What people add to a query that says nothing of a picture: ㅋㅋㅋ, ㅠㅠ, !!!, ~, ^^."""

import re

from app.hangul.jamo import is_jamo

_LAUGHS_AND_TEARS = re.compile("[ㅋㅎ]{2,}|[ㅠㅜ]{2,}|ㅡ{2,}")
_SIGNS = re.compile(
    r"(?<!\S)(?:[:;=]['-]?[)(DPp]+|>[_.]?<|[Tㅜㅠ][_.]+[Tㅜㅠ]|-_+-)(?!\S)"
    r"|\^[_.]?\^+|[!?~;♪]{2,}|(?<![\d~])~(?!\S)|(?:\.{2,}|…+)(?!\S)"
)


def without_noise(text: str) -> str:
    """The text itself where nothing else would be left."""
    kept = " ".join(_SIGNS.sub(" ", " ".join(map(_without_laughter, text.split()))).split())
    if kept == text or not any(map(str.isalnum, kept)):
        return text
    return without_noise(kept)


def _without_laughter(word: str) -> str:
    """Beside other jamo it is letters: ㅔㅑㅋㅋㅁ are the keys of pizza."""
    kept = _LAUGHS_AND_TEARS.sub("", word)
    return word if any(map(is_jamo, kept)) else kept
