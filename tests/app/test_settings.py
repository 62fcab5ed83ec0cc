"""The settings that are documented are the settings that there are."""

import json
import re
import sys
from pathlib import Path

import pytest

from app.cli import main
from app.config import Settings

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(NOONGIL_\w+)` \| (?:`(.+)`|empty) \| (.+) \|$", re.MULTILINE)
LINE = re.compile(r"^# (NOONGIL_\w+)=(.*)$", re.MULTILINE)


def default_of(name: str) -> str:
    default = Settings.model_fields[name].default
    if isinstance(default, bool | list):
        return json.dumps(default)
    return str(default)


EXPECTED = [(f"NOONGIL_{name.upper()}", default_of(name)) for name in Settings.model_fields]


def test_the_documentation_lists_every_setting_and_nothing_else() -> None:
    rows = ROW.findall((ROOT / "docs" / "settings.md").read_text())
    assert [(name, default) for name, default, _ in rows] == EXPECTED
    described = [description for *_, description in rows]
    assert described == [field.description for field in Settings.model_fields.values()]


def test_the_example_file_holds_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = (ROOT / ".env.example").read_text()
    assert LINE.findall(example) == EXPECTED
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(LINE.sub(r"\1=\2", example))
    with_file = Settings()
    (tmp_path / ".env").unlink()
    assert with_file == Settings(), "uncommented as it is, it changes nothing"


def test_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("NOONGIL_PORT=1234\nNOONGIL_MODEL=tiny\n")
    monkeypatch.setenv("NOONGIL_PORT", "4321")
    assert (Settings().port, Settings().model) == (4321, "tiny")


def test_the_database_lies_in_the_data_folder_unless_told(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).database_url == f"sqlite:///{tmp_path / 'noongil.db'}"
    url = "postgresql://localhost/noongil"
    assert Settings(data_dir=tmp_path, database_url=url).database_url == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOONGIL_PORT", "eighty"),
        ("NOONGIL_RECALL", "1.5"),
        ("NOONGIL_LOG_LEVEL", "loud"),
        ("NOONGIL_ALLOWED_HOSTS", "photos.home"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_in_a_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["noongil", "collections", "list"])
    with pytest.raises(SystemExit) as exit_:
        main()
    error = capsys.readouterr().err
    assert exit_.value.code == 1
    assert error.startswith("error: ")
    assert name.removeprefix("NOONGIL_").lower() in error.lower()
    assert error.count("\n") == 1
