"""Where pictures come from. One file a kind of source; `base` is what they agree on."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from indexer.errors import SourceError
from indexer.sources.base import ImageSource
from indexer.sources.folder import FolderSource


def source_of(uri: str, *, max_bytes: int) -> ImageSource:
    """The source that calls itself `uri`; a path names a folder. Raises SourceError."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return FolderSource(Path(unquote(parts.path)), max_bytes=max_bytes)
    if "://" in uri:
        raise SourceError(f"sources are folders; {parts.scheme}:// is not supported")
    return FolderSource(Path(uri).expanduser(), max_bytes=max_bytes)
