"""Who waits for changes hears of them at once, and is never left waiting."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from indexer.catalog import watch as watch_module
from indexer.catalog.db import Database
from indexer.catalog.watch import ChangeWatch
from tests.indexer.live_rows import Rows, unit

LONG = 60.0
"""A test that waits so long has failed."""


@pytest.fixture
def watch(database: Database) -> Iterator[ChangeWatch]:
    watch = ChangeWatch(database)
    assert watch.wait(LONG), "at first anything may be new"
    while watch.wait(0):
        pass
    yield watch
    watch.stop()
    watch.close()


@pytest.fixture
def other(database_url: str) -> Iterator[Database]:
    """As of another process."""
    database = Database(database_url)
    yield database
    database.close()


def test_a_change_by_another_is_heard(watch: ChangeWatch, other: Database, data_dir: Path) -> None:
    rows = Rows(other, data_dir)
    while watch.wait(0):
        pass
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(watch.wait, LONG)
        rows.put({"a": unit(1, dim=192)})
        assert heard.result(LONG / 2)
    assert not watch.wait(0), "once"


def test_a_change_between_two_waits_is_heard(
    watch: ChangeWatch, other: Database, data_dir: Path
) -> None:
    Rows(other, data_dir).put({"a": unit(1, dim=192)})
    assert watch.wait(LONG / 2)


def test_what_was_rolled_back_is_none(watch: ChangeWatch, other: Database, data_dir: Path) -> None:
    Rows(other, data_dir)
    while watch.wait(0):
        pass
    with other.engine.begin() as connection:
        connection.execute(text("UPDATE collections SET recall = 0.5"))
        connection.rollback()
    assert not watch.wait(0)


def test_a_wait_ends_when_told_to(watch: ChangeWatch) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(watch.wait, LONG)
        watch.stop()
        assert not waiting.result(LONG / 2)
    assert not watch.wait(LONG), "and so do all that come"


def test_a_lost_connection_is_made_again(
    watch: ChangeWatch, other: Database, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "_RECONNECT_SECONDS", 0.0)
    rows = Rows(other, data_dir)
    while watch.wait(0):
        pass
    if other.engine.dialect.name == "postgresql":
        with other.write() as session:
            session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
            )
    else:
        watch._connection.close()  # type: ignore[union-attr]
    assert not watch.wait(LONG), "it cannot know: whoever waits looks"
    assert any(watch.wait(LONG) for _ in range(3)), "it may have missed something"
    while watch.wait(0):
        pass
    rows.put({"a": unit(1, dim=192)})
    assert watch.wait(LONG / 2)


def test_without_a_database_it_is_looked_from_time_to_time(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    database.close()
    (tmp_path / "catalog.db").mkdir()
    watch = ChangeWatch(database)
    assert not watch.wait(0.01)
    assert not watch.wait(0.01)
    watch.close()
