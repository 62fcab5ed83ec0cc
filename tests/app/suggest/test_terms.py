"""What of a catalogue is suggested, and what is nobody's business or nobody's word."""

import pytest

from app.suggest.terms import is_term, terms_of


@pytest.mark.parametrize(
    ("attributes", "terms"),
    [
        ({"category": "운동화"}, {"운동화"}),
        ({"category": "패션 > 신발 > 운동화"}, {"패션", "신발", "운동화"}),
        ({"tags": ["여름", "Beach  wear"]}, {"여름", "Beach wear", "Beach", "wear"}),
        ({"상품명": "나이키 에어맥스"}, {"나이키 에어맥스", "나이키", "에어맥스"}),
        ({"색": "red, blue / 검정"}, {"red", "blue", "검정"}),
        ({"name": "the T-shirt of A&B"}, {"the T-shirt of A&B", "T-shirt", "A&B"}),
        ({"price": 39000, "sold_out": True, "size": "M", "no": "270"}, set()),
        ({"price": "39,000원", "arrived": "2026-03-01", "at": "2026-03-01T10:00:00"}, set()),
        ({"url": "신발", "product_id": "신발", "SKU": "신발", "상품코드": "신발"}, set()),
        ({"photo": "https://cdn.example/신발"}, set()),
    ],
)
def test_the_words_of_a_catalogue_are_found(attributes: dict[str, object], terms: set[str]) -> None:
    assert set(terms_of(attributes).values()) == terms


def test_words_of_a_long_title_are_terms_and_the_title_is_none() -> None:
    title = "남성용 초경량 러닝화 여름 신상 통기성 좋은 운동화 가벼운 조깅화 데일리 스니커즈 블랙"
    assert {"러닝화", "스니커즈"} <= set(terms_of({"title": title}).values())
    assert title not in terms_of({"title": title}).values()
    assert not terms_of({"description": title * 5}), "prose has too many words that mean nothing"


def test_an_image_has_a_term_once_however_it_is_spelled() -> None:
    assert len(terms_of({"brand": "Nike", "tags": ["NIKE", "nike"]})) == 1


@pytest.mark.parametrize(
    "text",
    ["운동화", "컵", "A4", "iphone15", "galaxy-s24", "WH-1000XM4", "501 청바지", "3XL", "90년대"],
)
def test_what_people_type_is_a_term(text: str) -> None:
    assert is_term(text)


@pytest.mark.parametrize(
    "text",
    [
        "me@example.com",
        "010-1234-5678",
        "www.example.com",
        "photos/2024/red",
        "IMG_0001.jpg",
        "550e8400-e29b-41d4-a716-446655440000",
        "deadbeef1234",
        "AB123456",
        "x9" * 10,
        "운동화" * 14,
        "2026-03-01T10:00:00+00:00",
        "a\0b",
        "줄\n바꿈",
        "!!!",
        "",
    ],
)
def test_addresses_numbers_and_ids_are_none(text: str) -> None:
    """Nobody's mail address is suggested to others because he searched for it thrice."""
    assert not is_term(text)


@pytest.mark.parametrize(
    "text", ["1" * 200, " " * 200, "/" * 200, "1," * 100, "-" * 200, "!1" * 100]
)
def test_no_text_is_judged_for_hours(text: str) -> None:
    """As a pattern would that tries all ways to match."""
    for length in range(1, len(text) + 1):
        assert not terms_of({"title": text[:length]})
        assert not is_term(text[:length] + "\t")
