"""A shop with a past, its backup, and empty places to restore it to."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.orm import Session

from app.backup.manifest import KeptVersions
from app.backup.restoring import restore_backup
from app.backup.taking import Taken, take_backup
from app.config import Settings
from indexer.catalog.db import Database
from indexer.progress import Progress, Silent
from tests.app.shop import image_url, index, opened, paint, refresh
from tests.app.uploads import png, put_file

_names = count()

crosswise = pytest.mark.parametrize(
    ("database_url", "anywhere"),
    [("sqlite", "postgresql"), ("postgresql", "sqlite")],
    indirect=True,
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No server is waited for."""
    return settings.model_copy(update={"switch_wait_seconds": 0})


@pytest.fixture
def past(settings: Settings, photos: Path) -> Settings:
    """Of a shop with two versions, and writes since the last: blue.png and red.png of a folder,
    the latter patched; white.png in the second version alone; gold through the API; green.png and
    silver deleted through it.
    """
    index(settings, photos)
    paint(photos / "white.png", "white")
    index(settings, photos)
    with opened(settings) as client:
        write(client)
    return settings


def write(client: TestClient) -> None:
    patched = client.patch(
        image_url("red.png"), json={"attributes": {"category": "신발", "price": 5}}
    )
    assert patched.status_code == 200, patched.text
    put_file(client, "gold", png("gold"), '{"category": "신발", "name": "금색 운동화"}')
    put_file(client, "silver", png("silver"))
    for key in ("green.png", "silver"):
        assert client.delete(image_url(key)).status_code == 204
    refresh(client)


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def take(
    settings: Settings,
    destination: Path,
    kept: KeptVersions = KeptVersions.ALL,
    progress: Progress | None = None,
) -> Taken:
    """As the command line does, in a process of its own."""
    database = Database(settings.database_url)
    try:
        return take_backup(database, settings.data_dir, destination, kept, progress or Silent())
    finally:
        database.close()


def taken_and_restored(settings: Settings, destination: Path, elsewhere: Settings) -> Settings:
    take(settings, destination)
    restore(destination, elsewhere)
    return elsewhere


def restore(source: Path, settings: Settings) -> None:
    restore_backup(source, settings.database_url, settings.data_dir, Silent())


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path) -> Settings:
    """A data folder that is not there yet, and a database in it."""
    data_dir = tmp_path / "elsewhere"
    url = f"sqlite:///{data_dir / 'noongil.db'}"
    return settings.model_copy(update={"data_dir": data_dir, "database_url": url})


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request: pytest.FixtureRequest, elsewhere: Settings) -> Iterator[Settings]:
    """The same, or with a database in PostgreSQL; there is nothing in it."""
    if request.param == "sqlite":
        yield elsewhere
        return
    server, name = request.getfixturevalue("postgres"), f"restored_{next(_names)}"
    in_postgres(server, f"CREATE DATABASE {name}")
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    yield elsewhere.model_copy(update={"database_url": url})
    in_postgres(server, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def catalog_of(settings: Settings) -> Iterator[Session]:
    """A transaction of another process."""
    database = Database(settings.database_url)
    with database.write() as session:
        yield session
    database.close()


def in_postgres(url: str, statement: str) -> None:
    parsed = make_url(url).set(drivername="postgresql+psycopg")
    engine = create_engine(parsed, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
