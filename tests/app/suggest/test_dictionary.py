"""Whatever is typed of a term, in whatever way, completes to it; the most used come first."""

import random
import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hangul.jamo import compose, decompose, initials
from app.hangul.keyboard import typed_as_latin
from app.suggest import dictionary, prefixes
from app.suggest.dictionary import Dictionary, Term
from app.suggest.keys import fold
from app.suggest.prefixes import PrefixIndex

SHOP = Dictionary(
    [
        Term("운동화", 120, 0),
        Term("Nike", 80, 0),
        Term("나이키 에어맥스", 50, 0),
        Term("운동복", 40, 0),
        Term("빨간 운동화", 30, 0),
        Term("T-shirt", 5, 0),
        Term("닭가슴살", 3, 0),
        Term("Übergröße", 2, 0),
        Term("漢字 티셔츠", 1, 0),
    ]
)

korean_words = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1)
words = st.one_of(
    korean_words, st.text("abcxyz7", min_size=1), st.sampled_from(["é", "漢字", "ㅋㅋ"])
)
texts = st.lists(words, min_size=1, max_size=3).map(" ".join).filter(lambda text: len(text) < 40)


def completed(prefix: str, limit: int = 10) -> list[str]:
    return [term.text for term in SHOP.complete(prefix, limit)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("운동", ["운동화", "운동복", "빨간 운동화"]),
        ("운도", ["운동화", "운동복", "빨간 운동화"]),  # a syllable is not whole yet
        ("운동ㅎ", ["운동화", "빨간 운동화"]),
        ("운동호", ["운동화", "빨간 운동화"]),
        ("달", ["닭가슴살"]),
        ("ㅇㄷㅎ", ["운동화", "빨간 운동화"]),
        ("ㅃㄱ ㅇㄷ", ["빨간 운동화"]),
        ("ㄷㄱㅅ", ["닭가슴살"]),
        ("ㄷㄳ", ["닭가슴살"]),  # as keyboards make ㄱㅅ
        ("dnsehd", ["운동화", "운동복", "빨간 운동화"]),
        ("dnseh", ["운동화", "운동복", "빨간 운동화"]),
        ("DNSEHD", ["운동화", "운동복", "빨간 운동화"]),  # caps lock
        ("Qkfrks", ["빨간 운동화"]),  # shift
        ("빨간 dnsehd", ["빨간 운동화"]),
        ("ㅜㅑㅏㄷ", ["Nike"]),
        ("ㅅ노", ["T-shirt"]),  # tsh
        ("nI", ["Nike"]),
        ("빨간운", ["빨간 운동화"]),
        ("빨간  운", ["빨간 운동화"]),
        ("tsh", ["T-shirt"]),
        ("t sh", ["T-shirt"]),
        ("ü", ["Übergröße"]),
        ("漢", ["漢字 티셔츠"]),
        ("동화", []),  # within a word
        ("zzz", []),
        ("!?", []),
        ("\0", []),
    ],
)
def test_a_beginning_completes(typed: str, expected: list[str]) -> None:
    assert completed(typed) == expected


def test_nothing_typed_completes_to_what_is_used_most() -> None:
    assert completed("", 3) == completed("  ", 3) == ["운동화", "Nike", "나이키 에어맥스"]
    assert Dictionary([]).complete("", 10) == Dictionary([]).complete("운", 10) == []


def test_a_search_weighs_more_than_an_image() -> None:
    found = Dictionary([Term("운동화", 50, 0), Term("운동복", 0, 6), Term("운동", 40, 0)])
    assert [term.text for term in found.complete("운", 10)] == ["운동복", "운동화", "운동"]


def test_what_is_used_as_much_stays_in_one_order() -> None:
    terms = [Term(text, 1, 0) for text in ("바지", "가방", "나시", "bag", "all")]
    orders = [[*Dictionary(some)] for some in (terms, terms[::-1], sorted(terms))]
    assert orders[0] == orders[1] == orders[2]


def test_the_other_keyboard_comes_after_what_was_typed() -> None:
    """'dog' is 앻 on the keyboard, and goes on being a dog."""
    found = Dictionary([Term("앻", 900, 0), Term("dog", 1, 0), Term("dog food", 2, 0)])
    assert [term.text for term in found.complete("dog", 10)] == ["dog food", "dog", "앻"]
    many = Dictionary([Term("앻", 900, 0), *(Term(f"dog {word}", 1, 0) for word in "abc")])
    assert "앻" not in [term.text for term in many.complete("dog", 10)]


def test_a_dictionary_keeps_the_most_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictionary, "MAX_TERMS", 2)
    kept = Dictionary([Term("하나", 1, 0), Term("둘", 2, 0), Term("셋", 0, 3)])
    assert [term.text for term in kept] == ["셋", "둘"]


@given(text=texts, data=st.data())
def test_a_keyboard_never_loses_a_term_on_the_way_to_it(text: str, data: st.DataObject) -> None:
    """At any key, within a syllable or not, in either language, with spaces or without."""
    terms = [Term(text, 1, 0), *(Term(f"{text}{number}", 2, 0) for number in range(3))]
    keys = decompose(text)
    pressed = data.draw(st.integers(1, len(keys)))
    found = Dictionary(terms)

    def finds(typed: str) -> bool:
        return terms[0] in found.complete(typed, 10)

    assert finds(compose(keys[:pressed]))
    assert finds(compose(keys[:pressed]).replace(" ", "") or text)
    assert finds(text[: data.draw(st.integers(1, len(text)))].upper())
    if re.fullmatch("[가-힣 ]+", text):
        assert finds(initials(text)[: data.draw(st.integers(1, len(text)))])
        assert finds(typed_as_latin(text))


@pytest.mark.parametrize("few", [0, 10_000])
def test_many_terms_complete_as_a_look_at_each_of_them_would(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the order of use or by the alphabet, whichever is quicker."""
    monkeypatch.setattr(prefixes, "_FEW", few)
    monkeypatch.setattr(prefixes, "_BLOCK", 100)
    rng = random.Random(0)  # noqa: S311 - no secret
    texts = [b" ".join(_some_words(rng)) for _ in range(3_000)]
    index = PrefixIndex(texts)
    long = max(texts, key=len).replace(b" ", b"")
    for prefix in (b"a", b"b", b"ab", b"\x80", b"aaab", b"c", long, long[:33], long + b"a", b"zz"):
        expected = [rank for rank, text in enumerate(texts) if _begins(text, prefix)]
        assert list(index.ranks(prefix)) == expected


def _some_words(rng: random.Random) -> Iterable[bytes]:
    for _ in range(rng.randint(0, 4)):
        yield bytes(rng.choices(b"aab\x80\x81", k=rng.randint(1, 12)))


def _begins(text: bytes, prefix: bytes) -> bool:
    words = text.split()
    return any(b"".join(words[start:]).startswith(prefix) for start in range(len(words)))


def test_folding_tells_only_case_composition_and_spaces_apart() -> None:
    assert fold(" Nike  AIR ") == fold("nike air")
    assert fold("운동화") == fold("\u110b\u116e\u11ab\u1103\u1169\u11bc\u1112\u116a")
    assert fold("운동") != fold("운둥")
