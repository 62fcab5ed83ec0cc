"""An encoder that does to its process what a test asks for: `scripted:killed=/some/file` and so on.

Loaded in the workers of a cluster as well, where nothing of the test's own process is.
"""

import hashlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from models import registry
from models.config import EncoderOptions
from models.types import Embeddings, Pixels
from tests.tiny_encoder import TinyEncoder

RED = (255, 0, 0)


class Scripted(TinyEncoder):
    def __init__(self, name: str) -> None:
        super().__init__()
        self._script, _, self._file = name.partition("=")
        edition = os.getpid() if self._script == "edition" else 0
        fingerprint = hashlib.sha256(f"{name} {edition}".encode()).hexdigest()
        self.spec = replace(self.spec, id=f"scripted:{name}", fingerprint=fingerprint)

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        getattr(self, f"_{self._script}")(batch)
        return super().encode_pixels(batch)

    def _killed(self, _: Sequence[Pixels]) -> None:
        """Once, whoever is the first."""
        if not Path(self._file).exists():
            Path(self._file).touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def _poisoned(self, batch: Sequence[Pixels]) -> None:
        """By every red picture."""
        if any(np.array_equal(pixels[0, 0], RED) for pixels in batch):
            os.kill(os.getpid(), signal.SIGKILL)

    def _stuck(self, _: Sequence[Pixels]) -> None:
        """From the second batch on; the file says who is."""
        if self.images_encoded:
            written = Path(f"{self._file}.part")
            written.write_text(str(os.getpid()))
            written.rename(self._file)
            time.sleep(3600)

    def _edition(self, _: Sequence[Pixels]) -> None:
        pass


def load(name: str, _: EncoderOptions) -> Scripted:
    return Scripted(name)


def register() -> None:
    registry._SCHEMES["tiny"] = "tests.tiny_encoder"
    registry._SCHEMES["scripted"] = "tests.indexer.drivers.scripted"
