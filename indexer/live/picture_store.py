"""The files that came through the API, by content: a collection's own copies.

Nobody else has them. Thumbnails are made from them, and the embeddings of a later model.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from indexer.durable import atomic_write, fsync_folder
from indexer.errors import Rejected, RejectReason

MIN_AGE_SECONDS = 3600.0
"""A file is stored before the row that names it; a younger one may be waited for."""

_AT_ONCE = 500
_DOOMED = ".doomed"


class PictureStore:
    """Files in `folder`, as `<hash[:2]>/<hash>`. Safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content_hash: str, data: bytes) -> None:
        """Durable when this returns, and young. What is there already, whole, stays."""
        path = self._path(content_hash)
        _create_durably(path.parent)
        with suppress(OSError, Rejected):
            # In this order: what the collector takes in between is missed, and written again.
            os.utime(path)
            self.read(content_hash)
            fsync_folder(path.parent)
            return
        with atomic_write(path) as file:
            file.write(data)

    def read(self, content_hash: str) -> bytes:
        """Raises Rejected: gone, unreadable, corrupt."""
        try:
            data = self._path(content_hash).read_bytes()
        except FileNotFoundError:
            raise Rejected(RejectReason.GONE, "the stored file is not there") from None
        except OSError as error:
            detail = error.strerror or type(error).__name__
            raise Rejected(RejectReason.UNREADABLE, detail) from None
        if hashlib.sha256(data).hexdigest() != content_hash:
            raise Rejected(RejectReason.CORRUPT, "the stored file is damaged")
        return data

    def collect(
        self,
        is_referenced: Callable[[Sequence[str]], set[str]],
        min_age_seconds: float = MIN_AGE_SECONDS,
    ) -> int:
        """Remove what nobody names and what a crash left; how many files went.

        `is_referenced`: those of some hashes that rows name.
        """
        before = time.time() - min_age_seconds
        aged = (path for path in self._files() if _is_older(path, before))
        removed = 0
        while group := list(islice(aged, _AT_ONCE)):
            referenced = is_referenced([_hash_of(path) for path in group])
            for path in group:
                if _hash_of(path) not in referenced:
                    removed += _remove(path, before)
                elif path.name != _hash_of(path):
                    path.rename(path.with_name(_hash_of(path)))
        return removed

    def _files(self) -> Iterator[Path]:
        if self._folder.is_dir():
            for folder in self._folder.iterdir():
                yield from folder.iterdir()

    def _path(self, content_hash: str) -> Path:
        return self._folder / content_hash[:2] / content_hash


def _create_durably(folder: Path) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        fsync_folder(each.parent)


def _is_older(path: Path, before: float) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime < before
    return False


def _hash_of(path: Path) -> str:
    """Of what a crash of `atomic_write` left, something that is no hash."""
    return path.name.removeprefix(".").removesuffix(_DOOMED)


def _remove(path: Path, before: float) -> bool:
    """Out of the way first: whoever puts the file just now either made it young, and it comes
    back, or misses it, and writes it again.
    """
    doomed = path.with_name(f".{_hash_of(path)}{_DOOMED}")
    with suppress(FileNotFoundError):
        path.rename(doomed)
        if not _is_older(doomed, before):
            doomed.rename(path)
            return False
        doomed.unlink()
        return True
    return False
