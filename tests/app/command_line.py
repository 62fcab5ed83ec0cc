"""Commands run in this process, where the tiny encoder is known."""

import json
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from app.cli import main
from app.config import Settings


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    def json(self) -> object:
        assert self.code == 0, self.err
        return json.loads(self.out)


Run = Callable[..., Ran]


def runner(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    """`capfd`: what libraries print counts too."""
    monkeypatch.setenv("NOONGIL_MODEL", "tiny")
    monkeypatch.setenv("NOONGIL_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("NOONGIL_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["noongil", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        printed = capfd.readouterr()
        code = exit_.value.code
        return Ran(code if isinstance(code, int) else 0, printed.out, printed.err)

    return run
