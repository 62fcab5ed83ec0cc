"""A run that indexes a folder, and one that is killed (SIGKILL) at a chosen point of it.

A point is `module:function:call:before|after`.
"""

import os
import signal
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from indexer.building import index_spec
from indexer.catalog.db import Database
from indexer.embedding import write
from indexer.embedding.run import EmbedOptions
from indexer.indexing import Indexing
from indexer.pictures.decode import DecodeLimits
from indexer.progress import Silent
from indexer.sources.folder import FolderSource
from indexer.writing import IndexingOptions
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


def index(url: str, data_dir: Path, folder: Path) -> int:
    """Pictures embedded. Every batch is a shard, and forty pictures train an index."""
    with patch.object(write, "_SHARD_ROWS", 8), patch.object(index_spec, "MIN_IVF", 39):
        options = EmbedOptions(DecodeLimits(), threads=2, batch_size=8)
        database = Database(url)
        indexing = Indexing(database, data_dir, IndexingOptions(options))
        family = index_spec.IndexFamily.IVF_RABITQ  # a rotation cannot be trained on so few
        source = FolderSource(folder)
        summary = indexing.run("shop", source, TinyEncoder(), Silent(), recall=0.95, family=family)
        database.close()
        return summary.images.embedded


def index_and_die(url: str, data_dir: Path, folder: Path, point: str) -> None:
    """In a process of its own."""
    die_at(point)
    index(url, data_dir, folder)
