"""The database's password: it reaches the database, and nothing that people read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from app.config import Settings
from app.jobs.queue import conninfo
from indexer.catalog.db import Database, require_current
from indexer.errors import CatalogError

URL = "postgresql://noongil@postgres/noongil"
SECRET = "p@ss:word"  # noqa: S105 - of no database
PASSWORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(password=PASSWORDS)
def test_any_password_reaches_the_catalog_and_the_queue_of_jobs(password: str) -> None:
    url = make_url(Settings(database_url=URL, database_password=password).database_url)
    assert url.password == password
    assert conninfo_to_dict(conninfo(url))["password"] == password
    assert (url.username, url.host, url.database) == ("noongil", "postgres", "noongil")


def test_a_file_among_a_containers_secrets_holds_it(tmp_path: Path) -> None:
    (tmp_path / "noongil_database_password").write_text(f"{SECRET}\n")
    settings = Settings(database_url=URL, _secrets_dir=tmp_path)
    assert make_url(settings.database_url).password == SECRET


@pytest.mark.parametrize(
    "url",
    ["postgresql://noongil:own@postgres/noongil", "sqlite:///catalog.db", "no URL at all"],
)
def test_a_url_that_has_one_or_takes_none_stays(url: str) -> None:
    assert Settings(database_url=url, database_password=SECRET).database_url == url


def test_settings_that_are_printed_do_not_tell_it() -> None:
    assert SECRET not in repr(Settings(database_url=URL, database_password=SECRET))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:1/none?connect_timeout=2",
        "127.0.0.1:99999/none",
        "127.0.0.1:port/none",
        "secret@127.0.0.1:1/none",
        "[::1/none",
        "127.0.0.1:1/none?nonsense=1",
    ],
)
def test_an_error_does_not_tell_it(address: str) -> None:
    """A password with an @ that is not encoded is taken apart, and its end for the host."""
    with pytest.raises(CatalogError) as raised:
        require_current(Database(f"postgresql://user:secret@{address}"))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("driver", ["asyncpg", "nonsense"])
def test_a_driver_that_is_not_there_is_named_as_the_cause(driver: str) -> None:
    with pytest.raises(CatalogError, match="driver"):
        Database(f"postgresql+{driver}://user:secret@127.0.0.1/none")
