"""Encoding is the same beside either database: one is enough."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def database_url(tmp_path: Path, sqlite_template: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "catalog.db")
    return f"sqlite:///{tmp_path / 'catalog.db'}"
