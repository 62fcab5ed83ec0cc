"""Files from one folder to another: whole, durable, and what their hashes say."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.backup.contents import NamedFile
from app.backup.errors import FileDamaged, FileGone
from app.backup.manifest import PRIVATE
from indexer.durable import atomic_write, fsync_folder, sha256_of
from indexer.progress import Progress

THREADS = 8
"""So many files are made durable at once: a disk does that for several in one turn."""

_AT_ONCE = 256
_CHUNK_BYTES = 1024**2

Recorded = Callable[[Sequence[str]], dict[str, tuple[int, str]]]
"""Size and SHA-256 of those of some files that are known to be in the target."""


class CopiedFile(NamedTuple):
    path: str
    size: int
    sha256: str
    is_new: bool
    """False where the target had it."""


@dataclass(frozen=True)
class Copying:
    source: Path
    target: Path
    recorded: Recorded = lambda _: {}
    is_private: bool = False
    """Nobody else may read what is written."""

    def copy(self, files: Iterable[NamedFile], progress: Progress) -> Iterator[CopiedFile]:
        """Raises FileGone, FileDamaged, OSError: what was copied by then stays."""
        waiting = iter(files)
        with ThreadPoolExecutor(THREADS, "copy") as pool:
            while group := list(islice(waiting, _AT_ONCE)):
                known = self.recorded([file.path for file in group])
                for copied in pool.map(partial(self._copy, known), group):
                    progress.advance()
                    yield copied

    def _copy(self, known: dict[str, tuple[int, str]], file: NamedFile) -> CopiedFile:
        target = self.target / file.path
        size = _size_of(target)
        if size is not None and _is_same(target, size, file, known.get(file.path)):
            return CopiedFile(file.path, size, file.sha256, is_new=False)
        self._make_folder(target.parent)
        try:
            size = self._write(file, target)
        except FileNotFoundError as error:
            raise FileGone(str(file)) from error
        return CopiedFile(file.path, size, file.sha256, is_new=True)

    def _write(self, file: NamedFile, target: Path) -> int:
        with (self.source / file.path).open("rb") as reader, atomic_write(target) as writer:
            if self.is_private:
                os.fchmod(writer.fileno(), PRIVATE)
            if _copy_hashing(reader, writer) != file.sha256:
                raise FileDamaged(str(file))
            return writer.tell()

    def _make_folder(self, folder: Path) -> None:
        """Its name is durable when this returns."""
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        with suppress(FileExistsError):  # by another thread
            folder.mkdir(0o700 if self.is_private else 0o777)
        fsync_folder(folder.parent)


def _is_same(target: Path, size: int, file: NamedFile, recorded: tuple[int, str] | None) -> bool:
    """Without a record, an attempt that was interrupted made it: reading it tells."""
    if recorded is None:
        return sha256_of(target) == file.sha256
    return recorded == (size, file.sha256)


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _copy_hashing(reader: BinaryIO, writer: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := reader.read(_CHUNK_BYTES):
        digest.update(chunk)
        writer.write(chunk)
    return digest.hexdigest()
