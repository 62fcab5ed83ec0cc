"""A query as people type it → a query as an encoder should read it."""

from dataclasses import dataclass
from typing import Literal

from app.search.typed.mistyped import repaired
from app.search.typed.noise import without_noise
from app.search.typed.normalize import language_of, normalize
from app.search.typed.request import thing_asked_for
from app.search.typed.spacing import respaced

_LONGEST = 100
"""Characters of a query. A longer text was pasted, and stays as it is."""
_PASSES = 8
"""A request may end in another, a particle hide what belongs together. Most need one or two."""


@dataclass(frozen=True, slots=True)
class TypedQuery:
    text: str
    """As it came."""
    normalized: str
    """What is to be encoded."""
    language: Literal["ko", "en"]
    """Of what is to be encoded."""
    repaired_from: str | None
    """What was taken for mistyped, if anything was: it is a guess, and people should see it."""


def understand(text: str) -> TypedQuery:
    """What it makes of a text, it leaves as it is. Raises InvalidInput for a blank one."""
    plain = normalize(text)
    if len(plain) > _LONGEST:
        return TypedQuery(text, plain, language_of(plain), None)
    clear = _clear(plain)
    normalized, is_repaired = clear, False
    for _ in range(_PASSES):
        before = normalized
        meant = repaired(before)
        is_repaired = is_repaired or meant != before
        normalized = _clear(thing_asked_for(respaced(meant)))
        if normalized == before:
            break
    return TypedQuery(text, normalized, language_of(normalized), clear if is_repaired else None)


def prepare() -> None:
    """Reads the dictionaries: 0.2 s that no query should wait for."""
    understand("고양이 rhdiddl ㅡㅐㅕㄴㄷ")


def _clear(text: str) -> str:
    """Jamo that had noise around them may form syllables now."""
    return normalize(without_noise(text))
