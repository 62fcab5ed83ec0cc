"""Whether a worker sees the folder that the driver scanned.

Where it does not, each of its pictures would be a reject: a missing mount is no million of missing
files.
"""

import os
import socket
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from indexer.errors import SourceError
from indexer.sources.locations import local_path, scheme_of

_WILD = ("*", "?", "{")


_ENTRIES = 8
"""Some may be gone before a worker looks."""


def landmarks_of(uri: str) -> tuple[Path, ...]:
    """The file or folder at `uri`, of a pattern the nearest folder that it names, and, as a mount
    point may be there and empty, some of what lies in it. None of a source that is not local.
    """
    if scheme_of(uri) != "file":
        return ()
    path = local_path(uri).absolute()
    while not path.exists() and any(wild in str(path) for wild in _WILD):
        path = path.parent
    return (path, *_some_entries(path))


def require_landmarks(uri: str, landmarks: Sequence[Path]) -> None:
    """Raises SourceError, which names this machine."""
    if not landmarks:
        return
    place, *entries = landmarks
    if not place.exists() or (entries and not any(entry.exists() for entry in entries)):
        raise SourceError(
            f"the worker {socket.gethostname()} does not find at {str(place)!r} what {uri} held "
            "when it was scanned: every node that embeds needs the same folder at the same path"
        )


def _some_entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in islice(entries, _ENTRIES)]
