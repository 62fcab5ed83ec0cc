"""The pictures that a catalogue names: beside it, in an object store, on the web."""

import os
import posixpath
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from indexer.attributes import Attributes
from indexer.errors import Rejected, RejectReason, SourceError
from indexer.sources.base import SourceItem, SourceReject
from indexer.sources.folder import FolderSource
from indexer.sources.locations import HTTP, OBJECT_STORES, local_path, scheme_of
from indexer.sources.options import SourceOptions
from indexer.sources.storage import Storage


class NamedPictures:
    """What the catalogue at `uri` may name, and how it is opened.

    - a path, relative to the catalogue's folder, and a file:// URI: within that folder only, and
      links as FolderSource follows them;
    - a URL: whatever the address rules permit;
    - an object of a store: unless the catalogue itself comes from the web, whose author must not
      read with this machine's credentials.
    """

    def __init__(self, uri: str, options: SourceOptions) -> None:
        self._uri = uri
        self._scheme = scheme_of(uri)
        self._storage = Storage(options)
        self._folder: FolderSource | None = None
        if self._scheme == "file":
            self._root = Path(os.path.normpath(local_path(uri).absolute())).parent
            self._folder = FolderSource(self._root, max_bytes=options.max_bytes)

    def entry(
        self, key: str, name: str, attributes: Attributes | None
    ) -> SourceItem | SourceReject:
        """The picture called `name` in the catalogue."""
        try:
            uri, stamp = self._found(key, name)
        except Rejected as rejected:
            return SourceReject(key, rejected.reason, rejected.detail)
        return SourceItem(key, uri, stamp, attributes)

    def read(self, item: SourceItem) -> bytes:
        """See ImageSource.read."""
        scheme = scheme_of(item.uri)
        if scheme == "file" and self._folder is not None:
            return self._folder.read(item)
        self._require_may_name(scheme)
        return self._storage.picture(item.uri)

    def _found(self, key: str, name: str) -> tuple[str, str | None]:
        """Its URI and stamp. Raises Rejected."""
        scheme = scheme_of(name)
        if scheme == "file":
            if self._folder is not None:
                return _local(self._folder, key, _candidates(self._root, name))
            if "://" in name:
                self._require_may_name("file")
            return self._beside(name), None
        self._require_may_name(scheme)
        return name, None

    def _beside(self, name: str) -> str:
        """The URI of a relative path, for a catalogue that is not local."""
        path = posixpath.normpath(name.replace("\\", "/"))
        if path.startswith(("/", "../")) or path in {"..", "."}:
            raise Rejected(RejectReason.OUTSIDE_SOURCE, "the path leads out of the folder")
        if self._scheme not in HTTP:
            return posixpath.join(posixpath.dirname(self._uri), path)
        parts = urlsplit(self._uri)
        below = posixpath.join(posixpath.dirname(parts.path), quote(path))
        return urlunsplit((parts.scheme, parts.netloc, below, "", ""))

    def _require_may_name(self, scheme: str) -> None:
        if scheme in HTTP or (scheme in OBJECT_STORES and self._scheme not in HTTP):
            return
        detail = f"this catalogue may not name pictures under {scheme}://"
        raise Rejected(RejectReason.OUTSIDE_SOURCE, detail)


def _candidates(root: Path, name: str) -> Iterator[Path]:
    r"""The path as written, then with what other systems write otherwise: `\` between folders,
    Hangul composed or decomposed. Raises Rejected: outside_source.
    """
    for form in _forms(name):
        path = Path(os.path.normpath(root / form))
        if not path.is_relative_to(root):
            raise Rejected(RejectReason.OUTSIDE_SOURCE, "the path leads out of the folder")
        yield path


def _forms(name: str) -> list[str | Path]:
    if "://" in name:
        try:
            return [local_path(name)]
        except SourceError as error:
            raise Rejected(RejectReason.OUTSIDE_SOURCE, str(error)) from None
    paths = (name, name.replace("\\", "/"))
    forms = (
        path if form is None else unicodedata.normalize(form, path)
        for path in paths
        for form in (None, "NFC", "NFD")
    )
    return list(dict.fromkeys(forms))


def _local(folder: FolderSource, key: str, candidates: Iterator[Path]) -> tuple[str, str | None]:
    """The first that is there. Raises Rejected: gone, or what is wrong with it."""
    for path in candidates:
        if _is_there(path):
            entry = folder.entry(key, path)
            if isinstance(entry, SourceItem):
                return entry.uri, entry.stamp
            raise Rejected(entry.reason, entry.detail)
    raise Rejected(RejectReason.GONE, "there is no such file")


def _is_there(path: Path) -> bool:
    """Also where it cannot be looked at."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
