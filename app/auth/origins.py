"""Origins as settings name them."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

ANY = "*"

_DEFAULT_PORTS = {"http": 80, "https": 443}


def _origin(text: str) -> str:
    """As browsers send it: in lower case, without the default port."""
    wrong = f"{text!r} is not an origin, as in https://shop.example: scheme, name, port, no path"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(wrong) from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError(wrong)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    spelled = f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")
    if spelled != text.lower() or not text.isascii() or set(text) & set(" \\*"):
        raise ValueError(wrong)
    return spelled.removesuffix(f":{_DEFAULT_PORTS[parts.scheme]}")


def _origins(texts: list[str]) -> list[str]:
    if ANY not in texts:
        return [_origin(text) for text in texts]
    if len(texts) > 1:
        raise ValueError(f"{ANY!r} allows every origin, so it stands alone")
    return texts


Origins = Annotated[list[str], AfterValidator(_origins)]
"""`*` alone, or any number of origins."""
