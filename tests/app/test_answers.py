"""An answer that is kept is the answer that a search would give, and goes when that changes."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.search import answers
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection
from tests.app.shop import index, refresh
from tests.databases import ON_SQLITE

URL = "/v1/collections/shop/search"


def ask(client: TestClient, **request: object) -> dict[str, object]:
    response = client.post(URL, json=request)
    assert response.status_code == 200, response.text
    return response.json()


def was_kept(answer: dict[str, object]) -> bool:
    """Only what was neither encoded nor searched takes no time for either."""
    timings = answer["timings_ms"]
    assert isinstance(timings, dict)
    assert timings["total"] > 0
    return timings["encode"] == timings["search"] == 0


def same(one: dict[str, object], other: dict[str, object]) -> bool:
    return {**one, "timings_ms": 0} == {**other, "timings_ms": 0}


@ON_SQLITE
@pytest.mark.parametrize(
    "question",
    [
        {"text": "빨강"},
        {"image": {"id": "red.png"}},
        {"text": "red", "include": ["attributes"]},
        {"text": "red", "queries": [{"text": "blue", "weight": -1}], "diversity": 0.5},
    ],
)
def test_a_question_asked_again_is_answered_as_before(
    shop: TestClient, question: dict[str, object]
) -> None:
    first, again = ask(shop, **question), ask(shop, **question)
    assert (was_kept(first), was_kept(again)) == (False, True)
    assert same(first, again)


def test_the_two_forms_share_their_answers(shop: TestClient) -> None:
    ask(shop, text="red", k=2)
    simple = shop.get(URL, params={"q": "red", "k": 2}).json()
    assert was_kept(simple)


@ON_SQLITE
@pytest.mark.parametrize(
    "other",
    [
        {"text": "blue"},
        {"text": "red", "k": 2},
        {"text": "red", "recall": 0.9},
        {"text": "red", "min_relevance": 0.1},
        {"text": "red", "include": ["attributes"]},
        {"text": "red", "include": ["embedding"]},
        {"text": "red", "verbatim": True},
        {"text": "red", "collapse_duplicates": True},
        {"text": "red", "diversity": 0.2},
        {"text": "red", "queries": [{"text": "red"}]},
        {"image": {"id": "red.png"}},
        {"text": "red", "image": {"id": "red.png"}},
    ],
)
def test_another_question_is_not_the_same(shop: TestClient, other: dict[str, object]) -> None:
    ask(shop, text="red")
    assert not was_kept(ask(shop, **other))


def test_a_text_is_not_an_image_of_that_name(shop: TestClient) -> None:
    ask(shop, text="red.png")
    assert not was_kept(ask(shop, image={"id": "red.png"}))


def test_a_new_version_begins_anew(shop: TestClient, settings: Settings, photos: Path) -> None:
    before = ask(shop, text="red")
    (photos / "green.png").unlink()
    index(settings, photos)
    refresh(shop)
    after = ask(shop, text="red")
    assert not was_kept(after)
    assert before["version"] != after["version"]


def test_another_recall_of_the_collection_begins_anew(shop: TestClient, database: Database) -> None:
    ask(shop, text="red")
    with database.write() as session:
        session.query(Collection).update({"recall": 0.5})
    refresh(shop)
    assert not was_kept(ask(shop, text="red"))


def test_a_question_is_no_larger_for_repeating_itself(shop: TestClient) -> None:
    long = shop.post(URL, json={"text": "red", "include": ["attributes"] * 1000})
    assert long.status_code == 422
    ask(shop, text="red", include=["attributes"])
    assert was_kept(ask(shop, text="red", include=["attributes"] * 3))


def test_what_is_kept_is_bounded(shop: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_ANSWERS", 2)
    for text in ("red", "green", "red", "blue"):
        ask(shop, text=text)
    assert was_kept(ask(shop, text="red"))
    assert not was_kept(ask(shop, text="green"))
    monkeypatch.setattr(answers, "MAX_SIZE", 2)
    ask(shop, text="red", k=3)
    assert not was_kept(ask(shop, text="red", k=3))
