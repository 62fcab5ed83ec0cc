"""The texts that an index is calibrated on: those that people type, in both languages."""

import re

import pytest

from indexer.building.calibration_queries import calibration_texts, everyday_texts

HANGUL = re.compile("[가-힣]")
NOTHING_OWN = calibration_texts([])


def test_everyday_queries_are_as_many_in_korean_as_in_english() -> None:
    queries = everyday_texts()
    korean = [query for query in queries if HANGUL.search(query)]
    assert len(queries) == len(set(queries)) >= 200
    assert 0.4 < len(korean) / len(queries) < 0.6
    assert {"고양이", "고양이 사진", "고양이 추천"} <= set(korean)
    assert any(query.startswith("a photo of ") for query in queries)
    assert not any(HANGUL.search(query) for query in queries if query.endswith("for sale"))


def test_a_collection_without_attributes_is_calibrated_on_both_languages() -> None:
    korean = sum(bool(HANGUL.search(query)) for query in NOTHING_OWN)
    assert 0.4 < korean / len(NOTHING_OWN) < 0.6


@pytest.mark.parametrize("text", ["빨간 운동화", "Red running shoes", "Ünïcode Köln"])
def test_what_images_are_called_is_asked_for(text: str) -> None:
    assert text in calibration_texts([{"title": text, "price": 5}])


@pytest.mark.parametrize(
    "value",
    [
        "https://shop.example/1.jpg",
        "IMG_0001.JPG",
        "/data/pictures/x",
        "4711-09",
        "",
        "A",
        12,
        True,
        ["a list", "of words"],
        None,
    ],
)
def test_what_nobody_types_is_not(value: object) -> None:
    assert calibration_texts([{"field": value}]) == NOTHING_OWN


def test_a_description_is_cut_to_a_query() -> None:
    assert " ".join(["word"] * 12) in calibration_texts([{"text": " ".join(["word"] * 500)}])


def test_of_many_a_sample_is_taken_the_same_each_time() -> None:
    """Whatever the order in which the database gave them."""
    attributes = [{"title": f"picture {number}"} for number in range(1000)]
    sampled = calibration_texts(attributes)
    own = [text for text in sampled if text.startswith("picture ")]
    assert len(set(own)) == 128
    assert len(sampled) == 256
    assert calibration_texts(reversed(attributes)) == sampled


def test_equal_texts_are_asked_once() -> None:
    named = calibration_texts([{"a": "빨간 구두", "b": "빨간 구두"}, {"a": "빨간 구두"}])
    assert named.count("빨간 구두") == 1
