"""A folder of an object store: every file below a prefix.

Keys are paths below it, as a FolderSource makes them. Folders are listed one after another, not
all at once: what is held is the listing of one folder and the names of those still to come.
"""

import unicodedata
from collections.abc import Iterator
from typing import Any

from indexer.errors import Rejected, RejectReason, SourceError
from indexer.sources import object_store
from indexer.sources.base import NETWORK_READERS, SourceEntry, SourceItem, SourceReject, key_from
from indexer.sources.locations import scheme_of
from indexer.sources.options import SourceOptions


class ObjectFolderSource:
    """An ImageSource. Raises SourceError where the store's library is missing."""

    def __init__(self, uri: str, options: SourceOptions) -> None:
        self.uri = uri.rstrip("/") + "/"
        self._scheme = scheme_of(uri)
        self._max_bytes = options.max_bytes
        self._files = object_store.filesystem(uri)
        # The name of the root as listings write it; fsspec has no public name for this.
        self._root: str = self._files._strip_protocol(self.uri).rstrip("/")  # noqa: SLF001

    @property
    def readers(self) -> int:
        return NETWORK_READERS

    def count(self) -> None:
        return None

    def __iter__(self) -> Iterator[SourceEntry]:
        try:
            pending = self._listed(self._root)
        except Rejected as rejected:
            # Not an empty scan: that would read as "every picture was deleted".
            raise SourceError(f"cannot list {self.uri!r}: {rejected.detail}") from rejected
        while pending:
            info = pending.pop()
            if info["type"] != "directory":
                yield self._entry(info)
                continue
            try:
                pending.extend(self._listed(info["name"]))
            except Rejected as rejected:
                key = f"{self._key(info['name'])}/"
                yield SourceReject(key, RejectReason.UNREADABLE, rejected.detail)

    def read(self, item: SourceItem) -> bytes:
        """See ImageSource.read."""
        if not item.uri.startswith(self.uri):
            raise Rejected(RejectReason.OUTSIDE_SOURCE, "the URI is of another source")
        return object_store.picture(item.uri, self._max_bytes)

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        """What lies in a folder, the last first."""
        with object_store.failures():
            found = self._files.ls(folder, detail=True)
        inside = [info for info in found if _is_shown(info, folder)]
        return sorted(inside, key=lambda info: str(info["name"]), reverse=True)

    def _entry(self, info: dict[str, Any]) -> SourceItem | SourceReject:
        try:
            key = key_from(self._key(info["name"]))
        except Rejected as rejected:
            return SourceReject(ascii(info["name"]), rejected.reason, rejected.detail)
        if info["size"] > self._max_bytes:
            return SourceReject(key, RejectReason.FILE_TOO_LARGE, f"{info['size']} bytes")
        if info["size"] == 0:
            return SourceReject(key, RejectReason.EMPTY_FILE, "the file has no bytes")
        uri = f"{self._scheme}://{info['name'].lstrip('/')}"
        return SourceItem(key, uri, object_store.stamp_of(info))

    def _key(self, name: str) -> str:
        return unicodedata.normalize("NFC", name.removeprefix(self._root).strip("/"))


def _is_shown(info: dict[str, Any], folder: str) -> bool:
    """Not what is hidden, and not the empty object that stands for the folder itself."""
    name = str(info["name"]).rstrip("/")
    last = name.rpartition("/")[2]
    return name != folder.rstrip("/") and bool(last) and not last.startswith(".")
