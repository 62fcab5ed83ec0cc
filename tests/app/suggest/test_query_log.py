"""What is searched for is counted and suggested; nobody is known by it, and nobody pushes it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.config import Settings
from app.suggest import query_log, repository
from app.suggest.tables import QueryCount, QueryMark, QuerySalt
from indexer.catalog.db import Database
from indexer.catalog.repository import delete_collection
from indexer.catalog.tables import Base
from tests.app.live import URL as SEARCH
from tests.app.live import of
from tests.app.shop import opened, take_away_database
from tests.app.suggest.test_suggest_api import of_app, renew, suggested
from tests.indexer.live_rows import Rows

ADDRESSES = ("192.0.2.1", "192.0.2.2", "192.0.2.3")


@pytest.fixture
def logging(settings: Settings) -> Settings:
    return settings.model_copy(update={"query_log": "on"})


@pytest.fixture
def shop(logging: Settings, rows: Rows) -> Iterator[TestClient]:
    rows.put({"shoe": of("red")})
    rows.patch("shoe", category="운동화")
    with opened(logging) as client:
        renew(client)
        yield client


def ask(client: TestClient, text: str, *clients: str) -> None:
    for address in clients:
        of_app(client).record("shop", text, address)


def lost(client: TestClient, reason: str) -> float | None:
    registry = client.app_state["metrics"].registry
    value: float | None = registry.get_sample_value(
        "noongil_query_log_lost_total", {"reason": reason}
    )
    return value


def days_pass(database: Database, days: int) -> None:
    """All that was logged was logged so much earlier."""
    with database.write() as session:
        for table in (QueryCount, QueryMark, QuerySalt):
            for row in session.scalars(select(table)):
                row.day -= timedelta(days=days)


def stored(database: Database) -> dict[str, int]:
    with database.read() as session:
        tables = (QueryCount, QueryMark, QuerySalt)
        return {
            table.__tablename__: session.scalars(select(func.count()).select_from(table)).one()
            for table in tables
        }


def test_what_enough_clients_searched_for_is_suggested(shop: TestClient) -> None:
    ask(shop, "운동복 세트", *ADDRESSES[:2])
    renew(shop)
    assert suggested(shop, "운동복") == []
    ask(shop, "운동복  세트", ADDRESSES[2])
    renew(shop)
    assert suggested(shop, "운동") == [("운동복 세트", 3), ("운동화", 1)]
    assert suggested(shop, "ㅇㄷㅂ") == [("운동복 세트", 3)]


def test_searches_move_a_term_of_the_catalogue_up(shop: TestClient, rows: Rows) -> None:
    rows.put({f"{number}": of("red") for number in range(5)})
    for number in range(5):
        rows.patch(f"{number}", category="Nike")
    renew(shop)
    assert suggested(shop) == [("Nike", 5), ("운동화", 1)]
    ask(shop, "운동화", *ADDRESSES)
    renew(shop)
    assert suggested(shop) == [("운동화", 1), ("Nike", 5)]
    ask(shop, "NIKE", *ADDRESSES)
    renew(shop)
    assert suggested(shop) == [("Nike", 5), ("운동화", 1)]


def test_one_client_pushes_nothing(shop: TestClient, database: Database) -> None:
    """However often it asks, on however many days, from all addresses that its provider gave it."""
    for _ in range(3):
        for _ in range(3):
            ask(shop, "사세요", *["192.0.2.1"] * 50, "2001:db8:1:2::1", "2001:db8:1:2:ffff::9")
            renew(shop)
        days_pass(database, 1)
    renew(shop)
    assert suggested(shop, "사") == []
    with database.read() as session:
        assert set(session.scalars(select(QueryCount.clients))) == {2}, "an IPv6 network is one"


def test_the_fewest_clients_are_a_setting(logging: Settings, rows: Rows) -> None:
    rows.put({"shoe": of("red")})
    with opened(logging.model_copy(update={"query_log_min_clients": 1})) as client:
        ask(client, "운동복", ADDRESSES[0])
        renew(client)
        assert suggested(client) == [("운동복", 1)]


def test_every_way_to_search_by_text_is_counted(logging: Settings, rows: Rows) -> None:
    rows.put({"shoe": of("red")})
    with opened(logging.model_copy(update={"query_log_min_clients": 1})) as client:
        for _ in range(2):  # the second answer is one that was kept
            assert client.post(SEARCH, json={"text": "  빨간 운동복 "}).status_code == 200
        assert client.get(SEARCH, params={"q": "Hat"}).status_code == 200
        assert client.post(SEARCH, json={"image": {"id": "shoe"}}).status_code == 200
        assert client.post(SEARCH, json={"text": "치마", "k": 0}).status_code == 422
        renew(client)
        assert suggested(client) == [("hat", 1), ("빨간 운동복", 1)]


def test_counts_of_days_add_up_until_they_are_too_old(shop: TestClient, database: Database) -> None:
    ask(shop, "운동복", *ADDRESSES)
    renew(shop)
    days_pass(database, 20)
    ask(shop, "운동복", *ADDRESSES[:2])
    renew(shop)
    assert suggested(shop, "운동복") == [("운동복", 5)]
    days_pass(database, 11)
    of_app(shop).log.purge()
    renew(shop)
    assert suggested(shop, "운동복") == [], "two clients on one day are too few"
    days_pass(database, 30)
    of_app(shop).log.purge()
    assert stored(database) == {"query_log": 0, "query_log_marks": 0, "query_log_salts": 0}


def test_of_a_day_that_is_over_only_what_many_searched_for_stays(
    shop: TestClient, database: Database
) -> None:
    ask(shop, "운동복", *ADDRESSES)
    ask(shop, "나만의 비밀", ADDRESSES[0])
    renew(shop)
    assert stored(database) == {"query_log": 2, "query_log_marks": 4, "query_log_salts": 1}
    of_app(shop).log.purge()
    assert stored(database)["query_log_marks"] == 4, "the day goes on"
    days_pass(database, 1)
    of_app(shop).log.purge()
    assert stored(database) == {"query_log": 1, "query_log_marks": 0, "query_log_salts": 0}


def test_no_table_names_a_client_nor_what_is_known_by_a_number(
    shop: TestClient, database: Database
) -> None:
    for text in ("운동복", "me@example.com", "010-1234-5678", "운동화\n", "x" * 41):
        ask(shop, text, *ADDRESSES)
    renew(shop)
    with database.read() as session:
        everything = [
            str(row)
            for table in Base.metadata.sorted_tables
            for row in session.execute(select(table))
        ]
        marks = list(session.scalars(select(QueryMark.mark)))
        texts = set(session.scalars(select(QueryCount.text)))
    assert not [row for row in everything for address in ADDRESSES if address in row]
    assert texts == {"운동복"}
    assert len(marks) == len(set(marks)) == 3


def test_a_clients_marks_have_nothing_in_common(database: Database, rows: Rows) -> None:
    """Two texts, two collections, two days: nobody can tell that one client asked."""
    asked = repository.Asked(rows.id, "운동화", ADDRESSES[0])
    others = (asked._replace(text="운동복"), asked._replace(client=ADDRESSES[1]))
    with database.write() as session:
        today = repository.today(session)
        salts = [repository.salt_of(session, day) for day in (today, today - timedelta(days=1))]
        assert repository.salt_of(session, today) == salts[0]
    marks = {repository._mark(salt, each) for salt in salts for each in (asked, *others)}
    assert len(marks) == 6


def test_off_nothing_is_written(client: TestClient, rows: Rows, database: Database) -> None:
    rows.put({"shoe": of("red")})
    renew(client)
    ask(client, "운동복", *ADDRESSES)
    renew(client)
    assert stored(database) == {"query_log": 0, "query_log_marks": 0, "query_log_salts": 0}


def test_what_was_logged_is_not_suggested_once_it_is_off(
    settings: Settings, shop: TestClient
) -> None:
    ask(shop, "운동복", *ADDRESSES)
    renew(shop)
    with opened(settings) as off:
        renew(off)
        assert suggested(off, "운동복") == []


def test_the_log_goes_with_its_collection(shop: TestClient, rows: Rows, database: Database) -> None:
    ask(shop, "운동복", *ADDRESSES)
    renew(shop)
    ask(shop, "운동복", "192.0.2.9")
    with database.write() as session:
        delete_collection(session, rows.id)
    renew(shop)
    assert stored(database) == {"query_log": 0, "query_log_marks": 0, "query_log_salts": 1}


def test_another_collection_of_the_name_begins_anew(
    shop: TestClient, rows: Rows, database: Database, data_dir: Path
) -> None:
    ask(shop, "운동복", *ADDRESSES)
    with database.write() as session:
        delete_collection(session, rows.id)
    Rows(database, data_dir).put({"hat": of("red")})
    renew(shop)
    assert suggested(shop, "운동복") == []


def test_servers_count_together(logging: Settings, shop: TestClient, database: Database) -> None:
    """Each client once, at whichever server it asked, and all at once."""
    with opened(logging) as other:
        renew(other)
        servers = (shop, other)
        for server in servers:
            for number in range(20):
                ask(server, f"검색 {chr(ord('가') + number)}", *ADDRESSES)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda server: of_app(server).log.write(), servers))
        with database.read() as session:
            counts = list(session.scalars(select(QueryCount.clients)))
        assert counts == [3] * 20
        renew(other)
        assert len(suggested(other, "검색", limit=50)) == 20


def test_more_than_can_be_written_is_counted_and_not_waited_for(
    shop: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_log, "_MAX_PENDING", 2)
    ask(shop, "운동복", *ADDRESSES)
    assert lost(shop, "full") == 1
    renew(shop)
    monkeypatch.setattr(query_log, "_MAX_A_DAY", 2)
    ask(shop, "운동복", ADDRESSES[2])
    renew(shop)
    assert lost(shop, "full") == 2
    assert suggested(shop, "운동복") == []


def test_searches_go_on_while_the_log_cannot_be_written(
    shop: TestClient, database_url: str
) -> None:
    take_away_database(shop, database_url)
    ask(shop, "운동복", *ADDRESSES)
    with pytest.raises(query_log.SQLAlchemyError):
        of_app(shop).log.write()
    assert lost(shop, "database") == 3


def test_what_was_recorded_last_is_written_at_the_end(
    logging: Settings, rows: Rows, database: Database
) -> None:
    rows.put({"shoe": of("red")})
    with opened(logging) as client:
        ask(client, "운동복", *ADDRESSES)
    assert stored(database)["query_log"] == 1


def test_a_day_ends_in_utc(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever zone a database is in."""

    def in_seoul(_: Session) -> datetime:
        return datetime(2026, 3, 2, 8, 59, tzinfo=timezone(timedelta(hours=9)))

    monkeypatch.setattr(repository, "database_now", in_seoul)
    with database.read() as session:
        assert repository.today(session) == date(2026, 3, 1)
