"""Suggestions follow the catalogue, and no request waits for it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.suggest import collection_terms, counting
from app.suggest.counting import count_terms
from app.suggest.suggestions import Suggestions
from indexer.catalog.db import Database
from indexer.catalog.repository import delete_collection
from tests.app.live import of
from tests.app.shop import assert_problem, opened, take_away_database
from tests.indexer.live_rows import Rows
from tests.waiting import until

URL = "/v1/collections/shop/suggest"


def suggested(client: TestClient, prefix: str = "", **parameters: object) -> list[tuple[str, int]]:
    response = client.get(URL, params={"prefix": prefix, **parameters})
    assert response.status_code == 200, response.text
    return [(each["text"], each["count"]) for each in response.json()["suggestions"]]


def of_app(client: TestClient) -> Suggestions:
    return client.app_state["suggestions"]


def renew(client: TestClient) -> None:
    client.app_state["serving"].look()
    of_app(client).refresh()


@pytest.fixture
def catalogue(client: TestClient, rows: Rows) -> TestClient:
    rows.put({f"shoe-{number}": of("red") for number in range(3)})
    rows.put({"shirt": of("blue")})
    for number, name in enumerate(("빨간 운동화", "파란 운동화", "운동화")):
        rows.patch(f"shoe-{number}", category="신발 > 운동화", name=name, price=number)
    rows.patch("shirt", category="상의 > T-shirt", tags=["여름", "운동"])
    renew(client)
    return client


def test_what_images_are_described_by_is_suggested(catalogue: TestClient) -> None:
    assert suggested(catalogue, "운") == [
        ("운동화", 3),
        ("운동", 1),
        ("빨간 운동화", 1),
        ("파란 운동화", 1),
    ]
    assert suggested(catalogue, "ㅇㄷㅎ", limit=1) == [("운동화", 3)]
    assert suggested(catalogue, "dnsehd", limit=1) == [("운동화", 3)]
    assert suggested(catalogue, "ㅅ노") == [("T-shirt", 1)]
    assert suggested(catalogue, limit=2) == [("신발", 3), ("운동화", 3)]
    assert suggested(catalogue, "바지") == []


def test_suggestions_follow_the_catalogue(catalogue: TestClient, rows: Rows) -> None:
    rows.patch("shoe-0", category="바지")
    rows.delete("shoe-1")
    renew(catalogue)
    assert suggested(catalogue, "운동화") == [("운동화", 1)]
    assert suggested(catalogue, "바") == [("바지", 1)]
    assert suggested(catalogue, "빨간") == []


def test_nobody_has_to_ask_for_it(settings: Settings, rows: Rows) -> None:
    quick = settings.model_copy(update={"refresh_seconds": 0.05})
    with opened(quick) as client:
        rows.put({"shoe": of("red")})
        rows.patch("shoe", category="운동화")
        until(lambda: suggested(client, "운") == [("운동화", 1)])


def test_spellings_are_one_term_in_the_most_frequent_of_them(
    client: TestClient, rows: Rows
) -> None:
    for number, brand in enumerate(("NIKE", "Nike", "Nike", "nike")):
        rows.put({f"{number}": of("red")})
        rows.patch(f"{number}", brand=brand)
    renew(client)
    assert suggested(client, "ni") == [("Nike", 4)]


def test_a_catalogue_is_read_to_its_end(
    client: TestClient, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_AT_ONCE", 4)
    rows.put({f"key-{number}": of("red") for number in range(12)})
    for number in range(12):
        rows.patch(f"key-{number}", category="운동화")
    renew(client)
    assert suggested(client) == [("운동화", 12)]


def test_a_first_reading_shows_what_it_has_read(
    client: TestClient, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest catalogues take minutes; what is read again stays as it was until then."""
    monkeypatch.setattr(counting, "_AT_ONCE", 2)
    monkeypatch.setattr(collection_terms, "_FIRST_SHOWN", 2)
    reached, go_on = threading.Event(), threading.Event()

    def slowly(database: Database, collection_id: int) -> Iterator[counting.TermCounts]:
        for counts in count_terms(database, collection_id):
            yield counts
            if counts.images_read == 2:
                reached.set()
                assert go_on.wait(30)

    monkeypatch.setattr(collection_terms, "count_terms", slowly)
    rows.put({f"{number}": of("red") for number in range(5)})
    for number in range(5):
        rows.patch(f"{number}", category="운동화")
    reading = threading.Thread(target=renew, args=[client])
    reading.start()
    assert reached.wait(30)
    assert suggested(client) == [("운동화", 2)]
    go_on.set()
    reading.join()
    assert suggested(client) == [("운동화", 5)]


def test_titles_without_end_take_memory_that_has_one(
    client: TestClient, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What few images have goes first."""
    monkeypatch.setattr(counting, "_MAX_SPELLINGS", 10)
    rows.put({f"{number:02}": of("red") for number in range(60)})
    for number in range(60):
        rows.patch(f"{number:02}", name=f"이름{chr(ord('가') + number)}", category="운동화")
    renew(client)
    assert suggested(client, limit=1) == [("운동화", 60)]
    assert len(suggested(client, limit=50)) <= 11


def test_a_large_catalogue_is_left_alone_for_a_while(
    client: TestClient, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it changes."""
    rows.put({"shoe": of("red")})
    renew(client)
    monkeypatch.setattr(collection_terms, "_LEAST_REST_SECONDS", 3600.0)
    rows.patch("shoe", category="운동화")
    of_app(client)._renew(at_once=False)
    rows.patch("shoe", category="바지")
    of_app(client)._renew(at_once=False)
    assert ("바지", 1) not in suggested(client)


def test_a_collection_that_is_gone_is_forgotten(
    catalogue: TestClient, rows: Rows, database: Database, data_dir: Path
) -> None:
    with database.write() as session:
        delete_collection(session, rows.id)
    catalogue.app_state["serving"].look()
    assert_problem(catalogue.get(URL), 404, "unknown_collection")
    again = Rows(database, data_dir)
    again.put({"hat": of("red")})
    assert suggested(catalogue, "운") == [], "another collection of that name"
    renew(catalogue)
    assert of_app(catalogue)._terms.keys() == {again.id}


def test_one_collection_that_cannot_be_read_holds_up_no_other(
    catalogue: TestClient,
    database: Database,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = Rows(database, data_dir, "other")
    other.put({"hat": of("red")})
    other.patch("hat", category="모자")

    def refuse(database: Database, collection_id: int) -> Iterator[counting.TermCounts]:
        if collection_id != other.id:
            raise ValueError("no JSON")
        return count_terms(database, collection_id)

    monkeypatch.setattr(collection_terms, "count_terms", refuse)
    shop = of_app(catalogue)
    shop._terms.clear()
    for _ in range(2):
        renew(catalogue)
    assert [each.text for each in shop.suggest("other", "모", 10)] == ["모자"]
    assert caplog.text.count("cannot read the terms of shop") == 1


def test_suggestions_go_on_while_the_database_is_away(
    catalogue: TestClient, database_url: str
) -> None:
    before = suggested(catalogue, "운")
    take_away_database(catalogue, database_url)
    assert suggested(catalogue, "운") == before


@pytest.mark.parametrize(
    "parameters", [{"limit": 0}, {"limit": 51}, {"limit": "ten"}, {"prefix": "가" * 101}]
)
@pytest.mark.usefixtures("rows")
def test_what_makes_no_sense_is_said_so(client: TestClient, parameters: dict[str, object]) -> None:
    detail = assert_problem(client.get(URL, params=parameters), 422, "invalid_request")
    assert next(iter(parameters)) in detail


def test_anything_may_be_typed(catalogue: TestClient) -> None:
    for typed in ("%", "\\", "\0", "*", "ᄋ", "😀", "' OR 1=1 --", "가" * 100):
        assert suggested(catalogue, typed) == []
    assert catalogue.get(f"{URL}?prefix=%ED%A0%BD%FF").json() == {"suggestions": []}


def test_prometheus_sees_how_many_terms_there_are(catalogue: TestClient) -> None:
    registry = catalogue.app_state["metrics"].registry
    value = registry.get_sample_value("noongil_suggest_terms", {"collection": "shop"})
    assert value == len(suggested(catalogue, limit=50))


def test_closing_ends_a_long_reading(
    settings: Settings, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection_terms, "_PAUSES", 1_000_000)
    rows.put({"shoe": of("red")})
    with opened(settings):
        pass
    assert not any(thread.name == "suggest" for thread in threading.enumerate())
