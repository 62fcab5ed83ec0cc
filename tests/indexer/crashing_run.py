"""A child process that indexes a folder and is killed (SIGKILL) at a chosen point.

python -m tests.indexer.crashing_run DATABASE_URL DATA_DIR FOLDER POINT
POINT is `module:function:call:before|after`, or `never`.
"""

import os
import signal
import sys
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

from indexer import embed
from indexer.catalog.db import Database
from indexer.decode import DecodeLimits
from indexer.indexing import Indexing
from indexer.progress import Silent
from indexer.sources.folder import FolderSource
from tests.tiny_encoder import TinyEncoder


def die_at(point: str) -> None:
    module_name, function_name, call, moment = point.split(":")
    module = import_module(module_name)
    original = getattr(module, function_name)
    calls = count(1)

    def dying(*args: Any, **kwargs: Any) -> Any:
        last = next(calls) == int(call)
        if last and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if last and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, function_name, dying)


def main(url: str, data_dir: str, folder: str, point: str) -> None:
    if point != "never":
        die_at(point)
    embed._SHARD_ROWS = 8  # every batch a shard: many points to die at
    options = embed.EmbedOptions(DecodeLimits(), threads=2, batch_size=8)
    indexing = Indexing(Database(url), Path(data_dir), options, keep_versions=3)
    source = FolderSource(Path(folder))
    summary = indexing.run("shop", source, TinyEncoder(), Silent(), recall=0.95)
    sys.stdout.write(str(summary.images.embedded))


if __name__ == "__main__":
    main(*sys.argv[1:])
