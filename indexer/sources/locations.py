"""What a URI says without being opened."""

import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

from indexer.errors import SourceError

OBJECT_STORES = {"s3": "s3", "gs": "gcs", "memory": None}
"""Schemes that fsspec opens → the extra that brings the library; None: it comes with fsspec."""
HTTP = {"http", "https"}
UNDERSTOOD = (
    "understood are a folder, a catalogue (.csv, .tsv, .jsonl, .ndjson, .parquet), a WebDataset "
    "(.tar, .tar.gz, with {000..009} or *) and a list of URLs (.txt), as a local path or under "
    "file://, s3://, gs://, http://, https://, memory://"
)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
# Surrogates but those that stand for a byte of a file's name.
_UNUSABLE = re.compile(r"[\0\ud800-\udc7f\udd00-\udfff]")


def scheme_of(uri: str) -> str:
    """`file` for a path. One letter before a colon is a drive of Windows, not a scheme."""
    found = _SCHEME.match(uri)
    return found[1].lower() if found else "file"


def require_understood(uri: str) -> None:
    """Raises SourceError."""
    if not uri or _UNUSABLE.search(uri):
        raise SourceError(f"{uri!r} names nothing; {UNDERSTOOD}")
    if (scheme := scheme_of(uri)) not in {"file", *HTTP, *OBJECT_STORES}:
        raise SourceError(f"{scheme}:// is not supported; {UNDERSTOOD}")


def name_of(uri: str) -> str:
    """Of the file, for people: without the query of a URL, which may hold a secret."""
    scheme = scheme_of(uri)
    if scheme == "file":
        return local_path(uri).name
    path = re.split("[?#]", uri, maxsplit=1)[0] if scheme in HTTP else uri
    return path.rpartition("/")[2]


def suffix_of(uri: str) -> str:
    """In small letters, with what is below a `.gz`: `.csv.gz`."""
    name = name_of(uri).lower()
    stem, dot, last = name.rpartition(".")
    if last == "gz":
        return f".{stem.rpartition('.')[2]}.gz"
    return f"{dot}{last}" if dot else ""


def local_path(uri: str) -> Path:
    """Of a path, `~` meaning the home folder, or of a file:// URI. Raises SourceError."""
    if not uri.lower().startswith("file://"):
        try:
            return Path(uri).expanduser()
        except RuntimeError as error:
            raise SourceError(f"{uri!r}: {error}") from None
    host, slash, path = uri[len("file://") :].partition("/")
    if host not in {"", "localhost"}:
        raise SourceError(f"{uri!r} lies on another machine; a local file is file:///…")
    if not path or "\0" in (found := os.fsdecode(unquote_to_bytes(slash + path))):
        raise SourceError(f"{uri!r} names no file")
    return Path(found)
