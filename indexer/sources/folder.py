"""A folder tree of picture files.

Keys are paths relative to the root, `/` between the parts, NFC; the URI keeps the bytes of the
real name, so that a Hangul name that macOS wrote decomposed is found by either form.

- Hidden entries (leading dot), Thumbs.db and desktop.ini are passed over in silence.
- A link to a file is followed where it leads to a file inside the root. A link to a folder is
  not: it could loop. Both a link that leads out and a link to a folder are rejects.
- Pipes, sockets and devices are rejects and are never opened.
- Folders whose names are equal in NFC are one folder. Of files whose names are, the first in
  the order of the names' bytes has the key; each other one is a reject, duplicate_key, whose key
  is made unique with the escaped bytes of its name.
"""

import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from indexer.errors import Rejected, RejectReason, SourceError
from indexer.pictures.sniff import SNIFF_BYTES, identify
from indexer.sources.base import DISK_READERS, SourceItem, SourceReject
from indexer.sources.files import open_file

_PASSED_OVER = {"thumbs.db", "desktop.ini"}


@dataclass(frozen=True, slots=True)
class _Group:
    """Directory entries of one kind that share a key. A folder's key ends in `/`."""

    key: str
    paths: list[Path]

    @property
    def is_folder(self) -> bool:
        return self.key.endswith("/")


class FolderSource:
    """An ImageSource over the files below `root`. `max_bytes` bounds what `read` returns.

    Raises SourceError where the root is missing, no folder, or cannot be listed.
    """

    def __init__(self, root: Path, *, max_bytes: int = 256 * 1024 * 1024) -> None:
        self._root = Path(os.path.normpath(root.absolute()))
        self._max_bytes = max_bytes
        if not self._root.is_dir():
            problem = "is not a folder" if self._root.exists() else "does not exist"
            raise SourceError(f"the picture folder {str(self._root)!r} {problem}")
        self._real_root = os.path.realpath(self._root)

    @property
    def uri(self) -> str:
        return self._root.as_uri()

    @property
    def readers(self) -> int:
        return DISK_READERS

    def count(self) -> int:
        """Of all names below the root, whatever becomes of them."""
        return sum(len(names) for _, _, names in os.walk(self._root))

    def __iter__(self) -> Iterator[SourceItem | SourceReject]:
        try:
            pending = _children("", [self._root])
        except OSError as error:
            # Not an empty scan: that would read as "every picture was deleted".
            raise SourceError(f"cannot list {str(self._root)!r}: {error.strerror}") from error
        pending.reverse()
        while pending:
            group = pending.pop()
            if not group.is_folder:
                yield from self._files(group)
                continue
            try:
                pending.extend(reversed(_children(group.key, group.paths)))
            except OSError as error:
                yield SourceReject(_escaped(group.key), RejectReason.UNREADABLE, _why(error))

    def read(self, item: SourceItem) -> bytes:
        """See ImageSource.read. Never reads more than a page of what is not a picture, nor more
        than `max_bytes` of what is, even where the file grows meanwhile.
        """
        try:
            path = self._path_of(item)
            self._check_file(path)
            with open_file(path) as file:  # it may have been swapped for a pipe meanwhile
                size = os.fstat(file.fileno()).st_size
                head = file.read(SNIFF_BYTES)
                identify(head)
                if size > self._max_bytes:
                    raise Rejected(RejectReason.FILE_TOO_LARGE, f"{size} bytes")
                return head + file.read(max(0, size - len(head)))
        except OSError as error:
            raise Rejected(RejectReason.UNREADABLE, _why(error)) from None
        except ValueError:
            raise Rejected(RejectReason.UNREADABLE, "the URI holds a NUL") from None

    def _path_of(self, item: SourceItem) -> Path:
        start = self.uri.rstrip("/") + "/"
        if not item.uri.startswith(start):
            raise Rejected(RejectReason.OUTSIDE_SOURCE, "the URI is of another source")
        return self._root / os.fsdecode(unquote_to_bytes(item.uri.removeprefix(start)))

    def _files(self, group: _Group) -> Iterator[SourceItem | SourceReject]:
        key = _escaped(group.key)
        if key != group.key:
            detail = "the name is not UTF-8"
            yield SourceReject(key, RejectReason.UNDECODABLE_NAME, detail)
            return
        first, *others = group.paths
        yield self.entry(key, first)
        for path in others:
            name = quote(os.fsencode(path.name))
            detail = f"equal in NFC to another name: {name}"
            yield SourceReject(f"{key}#{name}", RejectReason.DUPLICATE_KEY, detail)

    def entry(self, key: str, path: Path) -> SourceItem | SourceReject:
        """What a scan would say of one file, `path` being below the root."""
        try:
            status = self._check_file(path)
        except Rejected as rejected:
            return SourceReject(key, rejected.reason, rejected.detail)
        except OSError as error:
            return SourceReject(key, RejectReason.UNREADABLE, _why(error))
        except ValueError:
            return SourceReject(key, RejectReason.UNREADABLE, "the name holds a NUL")
        return SourceItem(key, self._uri_of(path), f"{status.st_size}-{status.st_mtime_ns}")

    def _uri_of(self, path: Path) -> str:
        relative = path.relative_to(self._root).as_posix()
        return f"{self.uri.rstrip('/')}/{quote(os.fsencode(relative))}"

    def _check_file(self, path: Path) -> os.stat_result:
        """Raises Rejected unless `path` leads to a regular file within the root; OSError."""
        status = path.stat()
        real = os.path.realpath(path)
        if os.path.commonpath([real, self._real_root]) != self._real_root:
            raise Rejected(RejectReason.OUTSIDE_SOURCE, "a link that leads out of the folder")
        if stat.S_ISDIR(status.st_mode):
            raise Rejected(RejectReason.NOT_A_FILE, "a link to a folder is not followed")
        if not stat.S_ISREG(status.st_mode):
            raise Rejected(RejectReason.NOT_A_FILE, "a pipe, a socket or a device")
        return status


def _children(key: str, folders: list[Path]) -> list[_Group]:
    """What lies in folders that share a key, grouped by key and in its order."""
    found: list[tuple[str, Path]] = []
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower() in _PASSED_OVER:
                    continue
                # The slash takes part in the order: "a.jpg" sorts before "a/b.jpg".
                end = "/" if entry.is_dir(follow_symlinks=False) else ""
                found.append(
                    (key + unicodedata.normalize("NFC", entry.name) + end, folder / entry.name)
                )
    found.sort(key=lambda pair: (pair[0], os.fsencode(pair[1])))
    return [
        _Group(name, [path for _, path in group])
        for name, group in groupby(found, key=lambda pair: pair[0])
    ]


def _escaped(key: str) -> str:
    r"""Bytes of the name that are not UTF-8, as `\xnn`; any other key unchanged."""
    return os.fsencode(key).decode("utf-8", "backslashreplace")


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
