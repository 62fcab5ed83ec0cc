"""The application on a tiny encoder, without a socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from indexer.catalog.db import Database
from tests.app.shop import index, opened, refresh
from tests.indexer.live_rows import Rows


@pytest.fixture
def settings(data_dir: Path, database_url: str) -> Settings:
    """New versions are looked for when a test says so."""
    return Settings(
        model="tiny", data_dir=data_dir, database_url=database_url, refresh_seconds=3600
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with opened(settings) as client:
        yield client


@pytest.fixture
def shop(client: TestClient, settings: Settings, photos: Path) -> TestClient:
    """A client whose server has the collection `shop`: red.png, green.png, blue.png."""
    index(settings, photos)
    refresh(client)
    return client


@pytest.fixture
def rows(database: Database, data_dir: Path) -> Rows:
    return Rows(database, data_dir)
