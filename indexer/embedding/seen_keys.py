"""The keys that a run has met: exact, and on disk, because they are millions."""

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from types import TracebackType
from typing import Self

# Only the cache is memory: what is written is not needed after a crash, so it is never synced.
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -8192;
CREATE TABLE seen (key TEXT PRIMARY KEY, claimed INTEGER, kept INTEGER) WITHOUT ROWID;
BEGIN;
"""
_CLAIM = """
INSERT INTO seen VALUES (?, 1, 1)
ON CONFLICT (key) DO UPDATE SET claimed = 1, kept = 1 WHERE claimed = 0
"""
_AT_ONCE = 500


class SeenKeys:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        # No name: a file of SQLite's own, without an entry in any folder.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.executescript(_SCHEMA)
        self._lock = threading.Lock()
        self._unseen_folders: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def claim(self, key: str) -> bool:
        """Whether the key is the caller's: False where it was claimed before."""
        with self._lock, closing(self._connection.execute(_CLAIM, (key,))) as claimed:
            return claimed.rowcount == 1

    def drop(self, key: str) -> None:
        """What the key, which is claimed, named is a picture no more."""
        with self._lock:
            self._connection.execute("UPDATE seen SET kept = 0 WHERE key = ?", (key,))

    def keep(self, key: str) -> None:
        """The key, or with a `/` at its end all below it, could not be looked at."""
        with self._lock:
            if key.endswith("/"):
                self._unseen_folders += (key,)
            else:
                self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, 0, 1)", (key,))

    def not_kept(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that the source has lost."""
        missing = {key for key in keys if not key.startswith(self._unseen_folders)}
        wanted = list(missing)
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT key FROM seen WHERE kept AND key IN ({marks})"  # noqa: S608 - marks
            with self._lock:
                missing.difference_update(key for (key,) in self._connection.execute(query, some))
        return missing
