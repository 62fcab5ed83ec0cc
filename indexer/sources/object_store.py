"""Files in object stores, through fsspec."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from indexer.errors import Rejected, RejectReason, SourceError
from indexer.pictures.sniff import identify
from indexer.sources.locations import OBJECT_STORES, scheme_of

_FIRST_BYTES = 256 * 1024
"""Asked for at once: most pictures whole in one request, and a film not to the end."""
_LIBRARIES = {"s3": "s3fs", "gs": "gcsfs"}


def filesystem(uri: str) -> Any:
    """The fsspec filesystem of a URI. Raises SourceError where its library is missing."""
    scheme = scheme_of(uri)
    library = _LIBRARIES.get(scheme)
    if library is not None and importlib.util.find_spec(library) is None:
        extra = OBJECT_STORES[scheme]
        raise SourceError(f"{scheme}:// needs {library}: pip install 'noongil[{extra}]'")
    import fsspec  # noqa: PLC0415 - 0.15 s that only those who use a store should wait

    # Without its cache of listings: a server lives longer than a listing is true.
    return fsspec.filesystem(scheme, use_listings_cache=False)


@contextmanager
def failures() -> Iterator[None]:
    """Turns whatever a store's library raises into Rejected: gone or unreadable."""
    try:
        yield
    except (Rejected, SourceError):
        raise
    except FileNotFoundError:
        raise Rejected(RejectReason.GONE, "there is no such file") from None
    except Exception as error:  # each library has errors of its own, with no common base
        detail = f"{type(error).__name__}: {error}"
        raise Rejected(RejectReason.UNREADABLE, detail) from error


def picture(uri: str, max_bytes: int) -> bytes:
    """The whole file. Raises Rejected: gone, unreadable, file_too_large, those of `identify`."""
    files = filesystem(uri)
    with failures():
        head: bytes = files.cat_file(uri, start=0, end=_FIRST_BYTES)
        identify(head)
        if len(head) < _FIRST_BYTES:
            return head
        size = int(files.info(uri)["size"])
        if size > max_bytes:
            raise Rejected(RejectReason.FILE_TOO_LARGE, f"{size} bytes")
        if size <= _FIRST_BYTES:
            return head
        return head + bytes(files.cat_file(uri, start=_FIRST_BYTES, end=size))


def part(uri: str, start: int, size: int) -> bytes:
    """Raises Rejected: gone, unreadable."""
    with failures():
        return bytes(filesystem(uri).cat_file(uri, start=start, end=start + size))


@contextmanager
def opened(uri: str) -> Iterator[tuple[BinaryIO, str | None]]:
    """A file to be read from its start, and its stamp. Raises Rejected: gone, unreadable."""
    files = filesystem(uri)
    with failures():
        stamp = stamp_of(files.info(uri))
        with files.open(uri, "rb") as file:
            yield file, stamp


def stamp_of(info: dict[str, Any]) -> str | None:
    """What changes when the file does, from fsspec's description of it."""
    tag = info.get("ETag") or info.get("etag")
    moment = info.get("LastModified") or info.get("mtime") or info.get("created")
    known = [str(each) for each in (tag, None if tag else moment) if each is not None]
    return None if not known else f"{info['size']}-{known[0]}"[:255]
