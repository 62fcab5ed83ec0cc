"""What servers answer, and what of it matters."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore2


@dataclass(frozen=True, slots=True)
class Answer:
    """A body to be read on; `stamp` changes when the file does, None where the server is silent."""

    chunks: Iterator[bytes]
    size: int | None
    stamp: str | None
    partial: bool
    """The body is the range that was asked for, not the whole file."""


def answer_of(response: httpcore2.Response) -> Answer:
    length = header(response, b"content-length") or ""
    stamp = header(response, b"etag") or header(response, b"last-modified")
    return Answer(
        chunks=_chunks(response),
        size=int(length) if length.isdecimal() else None,
        stamp=None if stamp is None else stamp[:255],
        partial=response.status == 206,
    )


def retry_after(response: httpcore2.Response) -> float | None:
    """Seconds; None where the server does not say, or not so that it can be understood."""
    value = (header(response, b"retry-after") or "").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def header(response: httpcore2.Response, name: bytes) -> str | None:
    for key, value in response.headers:
        if key.lower() == name:
            return value.decode("utf-8", "replace")
    return None


def _chunks(response: httpcore2.Response) -> Iterator[bytes]:
    stream = response.stream
    if not isinstance(stream, Iterable):
        raise TypeError("the pool is not an asynchronous one")
    return iter(stream)
