"""What a run says while it goes on, where there is no terminal to draw on."""

import pytest

from app import console
from app.console import TerminalProgress
from indexer.errors import RejectReason


def test_a_log_shows_how_far_how_fast_and_what_was_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A night's run in a container must not be silent."""
    monkeypatch.setattr(console, "_LOG_SECONDS", 0.0)
    with TerminalProgress() as progress:
        progress.start("embed", 1000)
        progress.reject(RejectReason.TRUNCATED)
        progress.reject(RejectReason.GONE)
        progress.reject(RejectReason.GONE)
        progress.advance(250)
    line = capsys.readouterr().err
    assert line.startswith("embed: 250 of 1000, ")
    assert "/s, " in line
    assert " s left, rejected: 2 gone, 1 truncated" in line


def test_without_a_total_nothing_is_promised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "_LOG_SECONDS", 0.0)
    with TerminalProgress() as progress:
        progress.start("embed", None)
        progress.advance(7)
    said = capsys.readouterr().err
    assert said.startswith("embed: 7, ")
    assert "left" not in said
