"""Hashing again, behind what is served, the versions that were opened from memory.

A version that was verified once is opened without being read (indexer/versions/verified.py). What a
failing disk changes without touching a file's times shows only here.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from indexer.errors import VersionDamaged
from indexer.versions.manifest import Manifest
from indexer.versions.verified import verify_all

logger = logging.getLogger(__name__)

_BLOCK = 4 * 1024 * 1024
_REST = 3
"""Times what hashing takes: it keeps a quarter of a core busy."""


class _Stopped(Exception):
    pass


class Scrubber:
    """One thread, which ends within a block of being told to."""

    def __init__(self, damaged: Callable[[int, VersionDamaged], None]) -> None:
        """`damaged` is called by that thread, with the id of a version and what is wrong."""
        self._damaged = damaged
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scrub")

    def add(self, version_id: int, folder: Path, manifest: Manifest) -> None:
        """Hash this version too, when those before it are done."""
        with suppress(RuntimeError):  # closed already
            self._thread.submit(self._scrub, version_id, folder, manifest)

    def close(self) -> None:
        self._stop.set()
        self._thread.shutdown(cancel_futures=True)

    def _scrub(self, version_id: int, folder: Path, manifest: Manifest) -> None:
        try:
            if self._is_intact(folder, manifest) or not folder.is_dir():  # removed: let go soon
                return
            try:
                verify_all(folder)  # to be sure, and to forget that it was verified
            except VersionDamaged as damaged:
                self._damaged(version_id, damaged)
        except _Stopped:
            pass
        except Exception:
            logger.exception("cannot hash %s again", folder.name)

    def _is_intact(self, folder: Path, manifest: Manifest) -> bool:
        try:
            return all(
                self._sha256(folder / name) == entry.sha256
                for name, entry in manifest.files.items()
            )
        except OSError:
            return False

    def _sha256(self, path: Path) -> str:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while True:
                started = time.monotonic()
                block = file.read(_BLOCK)
                digest.update(block)
                if self._stop.wait(_REST * (time.monotonic() - started)):
                    raise _Stopped
                if not block:
                    return digest.hexdigest()
