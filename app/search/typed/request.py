"""Who asks politely means the thing alone: 강아지 사진 좀 보여주세요, show me pictures of dogs.

Encoders of pictures learnt from captions; to them a request is about somebody who shows something.
"""

from app.search.typed.english_request import without_english_request
from app.search.typed.korean_request import without_korean_request
from app.search.typed.normalize import language_of


def thing_asked_for(text: str) -> str:
    """The text itself where it asks for nothing, or names nothing."""
    thing = without_english_request(text)
    return without_korean_request(thing) if language_of(thing) == "ko" else thing
