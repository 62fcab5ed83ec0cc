"""Keys and syllables must turn into each other without loss: repairs and suggestions rest on it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hangul.jamo import compose, decompose, initials, is_syllable
from app.hangul.keyboard import may_spell_syllables, typed_as_hangul, typed_as_latin

_syllables = st.text(st.characters(min_codepoint=ord("가"), max_codepoint=ord("힣")))
_keys = st.text(st.sampled_from("qwertasdfgzxcvyuiophjklbnmQWERTOP"))


@given(_syllables)
def test_syllables_survive_being_taken_apart(text: str) -> None:
    assert compose(decompose(text)) == text


@given(_syllables)
def test_syllables_survive_the_other_mode(text: str) -> None:
    assert typed_as_hangul(typed_as_latin(text)) == text


@given(_keys)
def test_keys_survive_the_other_mode(keys: str) -> None:
    assert typed_as_latin(typed_as_hangul(keys)) == keys


@given(_keys)
def test_keys_that_spell_syllables_are_known_by_their_look(keys: str) -> None:
    if keys and all(map(is_syllable, typed_as_hangul(keys))):
        assert may_spell_syllables(keys)


@given(_syllables.filter(len), st.data())
def test_every_state_of_a_keyboard_is_a_prefix_of_what_is_typed(
    text: str, data: st.DataObject
) -> None:
    strokes = decompose(text)
    struck = strokes[: data.draw(st.integers(0, len(strokes)))]
    assert strokes.startswith(decompose(compose(struck)))


@pytest.mark.parametrize("typed", ["운", "운도", "운동ㅎ", "운동호", "운동화"])
def test_a_syllable_typed_in_part_is_a_prefix(typed: str) -> None:
    assert decompose("운동화").startswith(decompose(typed))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rhdiddl", "고양이"),
        ("Qkfrks dnsehdghk", "빨간 운동화"),
        ("ekfrdl", "닭이"),
        ("ekfrl", "달기"),
        ("dhkd QUF rhks", "왕 뼐 관"),
        ("qwer", "ㅂㅈㄷㄱ"),
        ("A4", "ㅁ4"),
    ],
)
def test_latin_keys_in_korean_mode(typed: str, meant: str) -> None:
    assert typed_as_hangul(typed) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("ㅡㅐㅕㄴㄷ", "mouse"), ("ㅣㄷㅁ솓ㄱ 자켓", "leather wkzpt"), ("빨간", "Qkfrks")],
)
def test_hangul_keys_in_english_mode(typed: str, meant: str) -> None:
    assert typed_as_latin(typed) == meant


@pytest.mark.parametrize(
    ("text", "consonants"),
    [("빨간 운동화", "ㅃㄱ ㅇㄷㅎ"), ("ㅇㄷㅎ", "ㅇㄷㅎ"), ("ㄳ", "ㄱㅅ"), ("A4 용지", "A4 ㅇㅈ")],
)
def test_initials(text: str, consonants: str) -> None:
    assert initials(text) == consonants
