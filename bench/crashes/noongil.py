"""The command line where two tiny models are known.

The text "picture 7" stands for that picture. The second edition, `tiny:2`, has a space of its own,
the first's with half of the axes turned round: within each the cosines are the same, and between
the two there is nothing but noise.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from app.cli import main
from bench.crashes.pictures import embedding
from models import registry
from models.errors import UnknownModel
from models.types import Embeddings, Pixels
from tests.tiny_encoder import TinyEncoder

_TEXT = "picture "


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """`noongil …` in this process, which was just forked, and ends with the one that asked."""
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(log.parent)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["noongil", *command]
    registry._SCHEMES["tiny"] = __name__  # noqa: SLF001 - as the tests do
    main()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)


class PictureEncoder(TinyEncoder):
    def __init__(self, edition: str) -> None:
        super().__init__(edition)
        signs = np.random.default_rng(2).choice([-1, 1], self.spec.dim).astype(np.float32)
        self._turn = np.ones_like(signs) if edition == "1" else signs

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        return super().encode_pixels(batch) * self._turn

    def _text(self, text: str) -> Embeddings:
        number = text.removeprefix(_TEXT)
        known = embedding(int(number)) if number.isdecimal() else super()._text(text)
        return known * self._turn


def load(name: str, _: object) -> PictureEncoder:
    if name not in {"", "2"}:
        raise UnknownModel(f"unknown model 'tiny:{name}'")
    return PictureEncoder(name or "1")
