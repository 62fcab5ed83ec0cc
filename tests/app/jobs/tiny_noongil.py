"""The command line where the tiny encoder is known, in a process of its own.

It takes its time, and notes every batch in a file, where the environment says so.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from app.cli import main
from indexer.embedding import write
from models import registry
from models.types import Embeddings, Pixels
from tests.tiny_encoder import TinyEncoder


class NotingEncoder(TinyEncoder):
    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        time.sleep(float(os.environ.get("TINY_SECONDS", "0")))
        embeddings = super().encode_pixels(batch)
        with Path(os.environ["TINY_NOTES"]).open("a") as notes:
            notes.write(f"{len(batch)}\n")
        return embeddings


def load(_: str, __: object) -> NotingEncoder:
    return NotingEncoder()


if __name__ == "__main__":
    registry._SCHEMES["tiny"] = "tests.app.jobs.tiny_noongil"
    write._SHARD_ROWS = 8
    main()
