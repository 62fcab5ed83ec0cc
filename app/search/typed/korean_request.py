"""… 보여줘, … 찾아 주세요, … 추천 부탁드려요; and particles at the end: 고양이를."""

import re

from app.search.typed import korean, trade

_GIVE = (
    r"(?:줘[요라]?|주라|주세[요용]|주셔요|주십시오|줄래요?|주실래요|주시겠(?:어요|습니까)|봐요?|다오"
    r"|줄 ?수 ?있(?:어요?|나요|니|을까요?)|주실 ?수 ?있(?:나요|어요|을까요|습니까)|주면 ?좋겠어요?)"
)
_HELP = r"(?:부탁(?:해요?|드려요|드립니다|드릴게요|합니다)?|바랍니다|바라요|받아요|받습니다)"
_REQUEST = re.compile(
    r"(?: ?좀| (?:더|꼭|뭐|하나|한 ?번|다시|빨리|제발|혹시|많이))*"
    rf"(?: ?(?:보여|찾아) ?{_GIVE}"
    rf"| (?:골라|구해|보내|알려) ?{_GIVE}"
    rf"|(?: |(?<=[가-힣]{{2}}))(?:추천|검색)(?: ?좀)?(?: ?해 ?{_GIVE}| ?{_HELP})?(?: 좀)?"
    r"| 찾(?:고 ?있(?:어요?|습니다|음|는데요?)|는 ?중(?:이에요|입니다)?|습니다|아요|음|는데요?)"
    r"| (?:사고|보고|갖고|구매하고|구입하고) ?싶(?:어요?|습니다|다|은데요?|음)"
    r"| 있(?:나요|어요?|을까요|습니까|니|냐|는지요?)"
    rf"| 구(?:해요|합니다|함)| (?:필요|원)(?:해요|합니다)| 줘| 주세요| {_HELP})"
    r"[.!?~ ]*$"
)
_PICTURE = re.compile(r"(.+?) ?(?:사진|이미지)들?")
_ENDS_OF_PARTICLES = "을를은는이가의"
_AFTER_LATIN = re.compile(r"(?<=[A-Za-z0-9])[을를]$")


def without_korean_request(text: str) -> str:
    request = _REQUEST.search(f" {text}")
    if request is None:
        return _without_particle(text, "JKO")
    thing = text[: max(request.start() - 1, 0)]
    if not thing or _is_open(thing):
        return text
    return _without_picture(_without_particle(thing, "JKO", "JKS", "JX"))


def _is_open(text: str) -> bool:
    """Whether it wants another word after it: 오늘의 추천, 열어 주세요."""
    tag = korean.read(text).morphemes[-1].tag
    return tag.startswith("JKG") or tag.endswith(("ETM", "EC"))


def _without_picture(thing: str) -> str:
    """고양이 사진 → 고양이; but 흑백 사진 and 오래된 사진 say what kind of picture."""
    picture = _PICTURE.fullmatch(thing)
    if picture is None or picture[1].rpartition(" ")[2] in trade.kinds_of_pictures():
        return thing
    shown = _without_particle(picture[1], "JKG")
    return shown if korean.read(shown).morphemes[-1].is_noun else thing


def _without_particle(text: str, *tags: str) -> str:
    """Without the particle that ends it, if the analyser finds one: 가을 and 오이 end in none."""
    if text[-1] not in _ENDS_OF_PARTICLES:
        return text
    if _AFTER_LATIN.search(text):
        return text[:-1]
    *before, last = korean.read(text).morphemes
    if last.tag in tags and before and before[-1].is_noun:
        return text.removesuffix(last.surface).rstrip()
    return text
