"""A key as its user holds it: `ng_<id>_<secret>`.

The id is public: by it the key is found, listed and revoked. Of the secret only the SHA-256 is
kept; a slow hash would protect what people make up, and 256 random bits need no protection.
"""

import hmac
import re
import secrets
import string
from dataclasses import dataclass, field
from hashlib import sha256

_DIGITS = string.digits + string.ascii_letters
_ID_DIGITS = 12
_SECRET_DIGITS = 43
"""Of 62: 256 bits."""

_AUTHORIZATION = re.compile(
    rb"(?i:bearer) +ng_([0-9A-Za-z]{%d})_([0-9A-Za-z]{%d}) *" % (_ID_DIGITS, _SECRET_DIGITS)
)

_NO_KEY = bytes(32)


@dataclass(slots=True)
class Token:
    id: str
    secret: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"ng_{self.id}_{self.secret.decode()}"

    @property
    def digest(self) -> bytes:
        return sha256(self.secret).digest()

    def is_of(self, digest: bytes | None) -> bool:
        """Whether it is the key with that digest. Takes as long where there is no such key."""
        return hmac.compare_digest(self.digest, digest or _NO_KEY)


def new_token() -> Token:
    return Token(_random(_ID_DIGITS), _random(_SECRET_DIGITS).encode())


def token_in(authorization: bytes) -> Token | None:
    """That of an Authorization header; None where it holds none, whatever else it holds."""
    found = _AUTHORIZATION.fullmatch(authorization)
    return Token(found[1].decode(), found[2]) if found else None


def _random(digits: int) -> str:
    return "".join(secrets.choice(_DIGITS) for _ in range(digits))
