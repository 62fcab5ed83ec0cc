"""Databases of both kinds, a tiny encoder, pictures: what the suites share."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from PIL import Image
from sqlalchemy import create_engine, make_url, text

from indexer.catalog import db
from indexer.catalog.db import Database
from indexer.embedding.run import EmbedOptions
from indexer.indexing import Indexing
from indexer.pictures.decode import DecodeLimits
from indexer.writing import IndexingOptions
from models import registry, tracing
from tests.tiny_encoder import TinyEncoder

_TEMPLATE = "noongil_template"
_names = count()


def pytest_xdist_auto_num_workers() -> int:
    """More than there are cores: a third of the time tests wait for processes that they started."""
    return min((os.cpu_count() or 1) + 1, 4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Processes that have nothing left to do take over the end of another's list."""
    items.sort(key=lambda item: item.get_closest_marker("undivided") is None)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a developer's .env nor the environment reaches a test."""
    for name in [name for name in os.environ if name.startswith("NOONGIL_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(registry._SCHEMES, "tiny", "tests.tiny_encoder")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a real PostgreSQL, with a migrated template database."""
    pgserver = pytest.importorskip("pgserver", reason="PostgreSQL comes with the wheel pgserver")
    # Not in pytest's own folder: it is closed to the user that the server runs as under root.
    folder = mkdtemp(prefix="noongil-postgres-")
    server = pgserver.get_server(folder)
    try:
        url = server.get_uri()
        _execute(url, f"CREATE DATABASE {_TEMPLATE}")
        db.upgrade(_with_database(url, _TEMPLATE))
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database in a file: to copy it takes a hundredth of the time."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    db.upgrade(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with nothing in it, not even tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'catalog.db'}"
        return
    yield from _postgres_database(request.getfixturevalue("postgres"), template="template1")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database."""
    if request.param == "sqlite":
        path = tmp_path / "catalog.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    yield from _postgres_database(request.getfixturevalue("postgres"), template=_TEMPLATE)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Those that this process has ended, as traces are on in the test."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("tests"))
    yield exporter
    provider.shutdown()


@pytest.fixture
def encoder() -> TinyEncoder:
    return TinyEncoder()


@pytest.fixture
def indexing(database: Database, data_dir: Path) -> Indexing:
    options = EmbedOptions(DecodeLimits(), threads=2, batch_size=8)
    return Indexing(database, data_dir, IndexingOptions(options))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures of one colour each."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for colour in ("red", "green", "blue"):
        Image.new("RGB", (40, 30), colour).save(folder / f"{colour}.png")
    return folder


@pytest.fixture
def other_photos(tmp_path: Path) -> Path:
    """A second folder, with one white picture."""
    folder = tmp_path / "other"
    folder.mkdir()
    Image.new("RGB", (9, 9), "white").save(folder / "white.png")
    return folder


def _postgres_database(url: str, template: str) -> Iterator[str]:
    name = f"test_{next(_names)}"
    _execute(url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _with_database(url, name)
    _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _execute(url: str, statement: str) -> None:
    parsed = make_url(url).set(drivername="postgresql+psycopg")
    engine = create_engine(parsed, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
