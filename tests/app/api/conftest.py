"""A server that looks nothing up beyond this machine."""

import shutil
import socket
from pathlib import Path

import pytest

from app.config import Settings
from tests.app.shop import paint


@pytest.fixture
def settings(data_dir: Path, tmp_path: Path, sqlite_template: Path) -> Settings:
    path = tmp_path / "catalog.db"
    shutil.copy(sqlite_template, path)
    return Settings(
        model="tiny", data_dir=data_dir, database_url=f"sqlite:///{path}", refresh_seconds=1
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for colour in ("white", "black"):
        paint(folder / f"{colour}.png", colour)
    return folder


@pytest.fixture(autouse=True)
def _stay_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses that a fuzzer makes up may exist."""
    look_up = socket.getaddrinfo

    def of_this_machine(host: object, *rest: object, **more: object) -> object:
        if host not in {None, "localhost", "127.0.0.1"}:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", of_this_machine)
