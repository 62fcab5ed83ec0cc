"""A collection `shop` in files, for processes to serve."""

import shutil
from pathlib import Path

import pytest

from app.config import Settings
from tests.app.shop import index


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'catalog.db')}"


@pytest.fixture
def kept(settings: Settings, photos: Path) -> dict[str, object]:
    """The settings of a process that has it."""
    index(settings, photos)
    return {"data_dir": settings.data_dir, "database_url": settings.database_url}
