"""A query as typed must mean the same however a keyboard, a phone or a paste spells it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.search.typed.normalize import language_of, normalize
from models.errors import InvalidInput


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("빨간 운동화", "빨간 운동화"),
        (unicodedata.normalize("NFD", "빨간 운동화"), "빨간 운동화"),
        ("  red \t shoes \r\n", "red shoes"),
        ("red\u3000shoes\u00a0", "red shoes"),
        ("빨\u200b간 운\u2060동화\ufeff", "빨간 운동화"),
        ("ca\u00adfé", "café"),
        ("red\0shoes\x1b", "red shoes"),
        ("\u202ered shoes\u202c", "red shoes"),
        ("\u1107\u200b\u1161\u11a8", "박"),
        ("Nike 100%", "Nike 100%"),
        ("Ｎｉｋｅ　１００％", "Nike 100%"),
        ("\uffa1\uffc2", "가"),
        ("고양이\u3164", "고양이"),
        ("ㄱㅗㅇㅑㅇㅇㅣ", "고양이"),
        ("ㅇㄷㅎ", "ㅇㄷㅎ"),
        ("\u1100\u11a8", "ㄱㄱ"),
        ("10㎏ ² ½", "10㎏ ² ½"),
        ("빨간\ud800운동화", "빨간 운동화"),
    ],
)
def test_what_cannot_be_seen_does_not_matter(typed: str, meant: str) -> None:
    assert normalize(typed) == meant


@pytest.mark.parametrize("typed", ["", " ", "\u200b", "\u3000\t\n", "\0", "\ufeff\u200d"])
def test_what_shows_nothing_is_refused(typed: str) -> None:
    with pytest.raises(InvalidInput, match="blank"):
        normalize(typed)


@given(st.text())
def test_a_normal_form_is_one(typed: str) -> None:
    try:
        once = normalize(typed)
    except InvalidInput:
        return
    assert normalize(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == " ".join(once.split())


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("고양이", "ko"),
        ("cat", "en"),
        ("블랙 leather 자켓", "ko"),
        ("ㄱㅇㅇ", "ko"),
        ("猫", "en"),
        ("42", "en"),
    ],
)
def test_any_hangul_makes_a_query_korean(text: str, language: str) -> None:
    assert language_of(text) == language
