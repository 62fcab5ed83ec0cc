"""Which of the two languages a text is in."""

import re
from typing import Literal

Language = Literal["ko", "en"]

_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")


def language_of(text: str) -> Language:
    """Korean if there is any Hangul: "블랙 leather 자켓" is a Korean text."""
    return "ko" if _HANGUL.search(text) else "en"
