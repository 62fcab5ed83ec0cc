"""The messages between a server and its encoder worker: binary WebSocket frames.

A frame is the length of its header (4 bytes, little-endian), the header (JSON, UTF-8), and
the payload: embeddings as little-endian float32, pictures as RGB bytes, row by row.

    to the worker    {"id", "kind": "texts", "timeout", "fingerprint", "texts": […]}
                     {"id", "kind": "images", "timeout", "fingerprint", "sizes": [[w, h], …]} + RGB
                     {"id", "kind": "cancel"}
    from the worker  {"kind": "hello", "spec": {…}, "pace": [[texts, seconds], …]}     at the start
                     {"id", "kind": "rows", "shape": [n, dim]} + float32
                     {"id", "kind": "error", "error", "detail", "retry_after"}

Timeouts are seconds that are left: the clocks of two machines need not agree. A call may name its
`callers`, [[request id, traceparent], …], either of them null (`models.worker.callers`).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from models.types import Embeddings, EncoderSpec

MAX_FRAME_BYTES = 64 * 1024 * 1024

_PREFIX = 4


class BadFrame(Exception):
    """Not a frame of this protocol."""


def pack(header: dict[str, Any], *payload: bytes | memoryview) -> bytes:
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return b"".join((len(encoded).to_bytes(_PREFIX, "little"), encoded, *payload))


def unpack(frame: bytes | str) -> tuple[dict[str, Any], memoryview]:
    """Raises BadFrame."""
    if isinstance(frame, str):
        raise BadFrame("a text message; frames are binary")
    end = _PREFIX + int.from_bytes(frame[:_PREFIX], "little")
    if len(frame) < _PREFIX or end > len(frame):
        raise BadFrame("shorter than its header")
    try:
        header = json.loads(frame[_PREFIX:end])
    except (ValueError, RecursionError) as error:
        raise BadFrame("its header is not JSON") from error
    if not isinstance(header, dict):
        raise BadFrame("its header is not an object")
    return header, memoryview(frame)[end:]


def pack_embeddings(call: int, embeddings: Embeddings) -> bytes:
    rows = np.ascontiguousarray(embeddings, "<f4")
    return pack({"id": call, "kind": "rows", "shape": rows.shape}, rows.data.cast("B"))


def unpack_embeddings(header: dict[str, Any], payload: memoryview) -> Embeddings:
    """Raises BadFrame."""
    try:
        return np.frombuffer(payload, "<f4").reshape(header["shape"]).astype(np.float32, copy=False)
    except (ValueError, KeyError, TypeError) as error:
        raise BadFrame("its payload is not of its shape") from error


def pack_images(header: dict[str, Any], images: Sequence[Image.Image]) -> bytes:
    sizes = [image.size for image in images]
    return pack({**header, "sizes": sizes}, *(image.tobytes() for image in images))


def unpack_images(header: dict[str, Any], payload: memoryview) -> list[Image.Image]:
    """Raises BadFrame."""
    images, start = [], 0
    try:
        if any(min(size) < 1 for size in header["sizes"]):
            raise BadFrame("a picture without pixels")
        if sum(3 * width * height for width, height in header["sizes"]) != len(payload):
            raise BadFrame("its payload is not of its sizes")
        for width, height in header["sizes"]:
            end = start + 3 * width * height
            images.append(Image.frombytes("RGB", (width, height), bytes(payload[start:end])))
            start = end
    except (ValueError, KeyError, TypeError) as error:
        raise BadFrame("its payload is not of its sizes") from error
    return images


@dataclass(frozen=True)
class Hello:
    """What a worker says of itself: its encoder, and the seconds that one text and many take."""

    spec: EncoderSpec
    pace: list[tuple[float, float]]


def pack_hello(hello: Hello) -> bytes:
    return pack({"kind": "hello", **asdict(hello)})


def unpack_hello(frame: bytes | str) -> Hello:
    """Raises BadFrame."""
    header, _ = unpack(frame)
    try:
        fields = dict(header["spec"])
        for name in ("languages", "text_lengths"):
            fields[name] = tuple(fields[name])
        pace = [(float(texts), float(seconds)) for texts, seconds in header["pace"]]
        one, many = pace
        return Hello(EncoderSpec(**fields), [one, many])
    except (ValueError, KeyError, TypeError) as error:
        raise BadFrame("not a worker's greeting") from error
