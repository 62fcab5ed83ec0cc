"""A run that is told to stop: what was finished is kept, and the operator is told so."""

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from app.config import Settings
from indexer.catalog import db
from models.types import Embeddings, Pixels
from tests.app.command_line import runner
from tests.indexer.pictures.hostile import write_good
from tests.tiny_encoder import TinyEncoder

PICTURES = 300


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    db.upgrade(url)
    return url


@pytest.fixture
def _at_a_terminal() -> Iterator[None]:
    """A shell starts what it runs in the background deaf to Ctrl-C, this suite too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_at_a_terminal")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_told_to_stop_keeps_what_was_finished_and_says_so(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    number: signal.Signals,
    code: int,
) -> None:
    """Ctrl-C, or `docker stop`."""
    folder = tmp_path / "many"
    folder.mkdir()
    write_good(folder, PICTURES)
    monkeypatch.setenv("NOONGIL_BATCH_SIZE", "8")
    noongil = runner(settings, monkeypatch, capfd)
    batches = 0

    def encode(self: TinyEncoder, batch: Sequence[Pixels]) -> Embeddings:
        nonlocal batches
        batches += 1
        if batches == 4:
            os.kill(os.getpid(), number)
        return original(self, batch)

    original = TinyEncoder.encode_pixels
    monkeypatch.setattr(TinyEncoder, "encode_pixels", encode)
    before = signal.getsignal(signal.SIGTERM)
    stopped = noongil("index", str(folder), "--collection", "shop")
    assert (stopped.code, stopped.out) == (code, "")
    assert stopped.err.splitlines()[-1].startswith("interrupted: what was finished is kept")
    assert signal.getsignal(signal.SIGTERM) == before

    again = noongil("index", str(folder), "--collection", "shop", "--json").json()
    assert isinstance(again, dict)
    assert again["total"] == PICTURES
    assert 24 <= again["unchanged"] == PICTURES - again["embedded"] < PICTURES
