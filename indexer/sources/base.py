"""What every source of pictures agrees on."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from indexer.attributes import Attributes
from indexer.errors import Rejected, RejectReason

DISK_READERS = 4
NETWORK_READERS = 32

# Control characters break lines and logs, NUL does not fit PostgreSQL, surrogates not UTF-8.
_NO_KEY = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class SourceItem:
    """A picture that a source offers.

    `key` names it within the source, the same from scan to scan; `uri` opens it again later.
    `stamp`, at most 255 characters, changes whenever the picture may have; None: only reading
    it tells. `attributes` are None where the source says nothing of them, and empty where it
    says that there are none. `data` is the file, where the scan had to read past it anyway.
    """

    key: str
    uri: str
    stamp: str | None
    attributes: Attributes | None = None
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class SourceReject:
    """An entry that cannot be offered. A key that ends in `/` stands for everything below it:
    what an earlier scan found there is unknown now, not deleted.
    """

    key: str
    reason: RejectReason
    detail: str


@dataclass(frozen=True, slots=True)
class SourceIncomplete:
    """A part of the source could not be scanned, and which pictures it holds is not known: of
    what this scan does not offer, nothing may be taken for deleted. A reject beside it says
    where.
    """

    detail: str


SourceEntry = SourceItem | SourceReject | SourceIncomplete


class ImageSource(Protocol):
    """Iterating scans the source anew, lazily, in bounded memory and in an order that is the
    same from scan to scan. A key may come twice: the first has it, the second is a duplicate.
    Raises SourceError where the source as a whole cannot be read.
    """

    @property
    def uri(self) -> str: ...

    @property
    def readers(self) -> int:
        """How many reads are worth having under way at once."""
        ...

    def count(self) -> int | None:
        """How many entries a scan yields, about, for progress alone; None: not cheap to know."""
        ...

    def __iter__(self) -> Iterator[SourceEntry]: ...

    def read(self, item: SourceItem) -> bytes:
        """The whole file. Safe to call from several threads.

        Raises Rejected: unreadable, not_a_file, outside_source, file_too_large, and,
        from the first bytes alone, empty_file, not_an_image, unsupported_format; of a URL
        also fetch_failed, address_refused, gone.
        """
        ...


def key_from(name: str) -> str:
    """The name in NFC. Raises Rejected, undecodable_name, where it cannot be a key."""
    key = unicodedata.normalize("NFC", name)
    if not key or key.endswith("/"):
        raise Rejected(RejectReason.UNDECODABLE_NAME, "the name is empty or ends in /")
    if _NO_KEY.search(key):
        raise Rejected(RejectReason.UNDECODABLE_NAME, "control characters, or not UTF-8")
    return key
