"""Where a client is in an answer: which images it was shown already, of what.

The next page is the best of the rest, so that whatever is written meanwhile nothing is shown twice
and nothing is left out. A cursor is signed by nobody: all that one that was made up can do is leave
images out of its own answer.
"""

import base64
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

MAX_SHOWN = 1_000
"""Images, of all pages together."""

_FORMAT = 1
DIGEST_BYTES = 12
_HEAD = struct.Struct(f"<Bq{DIGEST_BYTES}s")
_MAX_ID_BYTES = 9
MAX_CURSOR = 4 * -(-(_HEAD.size + _MAX_ID_BYTES * MAX_SHOWN) // 3)
"""Characters. One of 1,000 among a million images has 2,600."""


@dataclass(slots=True)
class Cursor:
    version_id: int
    """0 where the collection had none."""
    subject: bytes
    """A digest of what was asked."""
    shown: frozenset[int]

    def encode(self) -> str:
        """base64url of the head and of the steps from each id to the next, seven bits a byte."""
        head = _HEAD.pack(_FORMAT, self.version_id, self.subject)
        return base64.urlsafe_b64encode(head + _steps(sorted(self.shown))).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Raises ValueError for what `encode` did not make."""
        packed = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        if len(packed) < _HEAD.size:
            raise ValueError("too short")
        form, version_id, subject = _HEAD.unpack_from(packed)
        shown = [*_ids(packed[_HEAD.size :])]
        if form != _FORMAT or len(shown) > MAX_SHOWN:
            raise ValueError("of another kind")
        return cls(version_id, subject, frozenset(shown))


def _steps(ids: Iterable[int]) -> bytes:
    packed, before = bytearray(), 0
    for image in ids:
        step, before = image - before, image
        while step > 0x7F:
            packed.append(step & 0x7F | 0x80)
            step >>= 7
        packed.append(step)
    return bytes(packed)


def _ids(packed: bytes) -> Iterator[int]:
    """Raises ValueError."""
    image = step = shift = 0
    for byte in packed:
        step |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            image += step
            yield image
            step = shift = 0
        elif shift >= 7 * _MAX_ID_BYTES:
            raise ValueError("an id is too long")
    if shift:
        raise ValueError("it ends within an id")
