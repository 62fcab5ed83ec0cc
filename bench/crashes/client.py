"""What clients ask of the API: writes, one or many in a request, and looks at what is there."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from bench.crashes.oracle import Delete, Expected, Patch, Put, State, Write
from bench.crashes.pictures import content_hash, png
from bench.crashes.processes import COLLECTION

MAX_HITS = 1000
_COLLECTION = f"/v1/collections/{COLLECTION}"
_SIZE = 320


def write_one(client: httpx.Client, write: Write) -> int:
    """The status of the answer. Raises TransportError."""
    path = _path(write.key)
    match write:
        case Put(_, picture, attributes):
            files = {"file": (f"{picture}.png", png(picture), "image/png")}
            data = {} if attributes is None else {"attributes": json.dumps(attributes)}
            return client.put(path, files=files, data=data).status_code
        case Patch(_, attributes):
            return client.patch(path, json={"attributes": attributes}).status_code
        case Delete():
            return client.delete(path).status_code


def write_batch(client: httpx.Client, writes: Sequence[Write]) -> tuple[list[int], bool]:
    """The statuses of those that were answered, the first of `writes`; whether all were to be."""
    body = b"".join(json.dumps(_line(write)).encode() + b"\n" for write in writes)
    headers = {"Content-Type": "application/x-ndjson"}
    statuses: list[int] = []
    path = f"{_COLLECTION}/images:batch"
    try:
        with client.stream("POST", path, content=body, headers=headers) as response:
            if response.is_error:
                return [response.status_code] * len(writes), True
            for line in response.iter_lines():
                statuses.append(json.loads(line)["status"])  # noqa: PERF401 - until it breaks off
    except httpx.TransportError:
        return statuses, False
    return statuses, True


def find(client: httpx.Client, picture: int, k: int = MAX_HITS) -> dict[str, Any]:
    """The answer to a search for a picture. Raises TransportError, HTTPStatusError."""
    asked = {"text": f"picture {picture}", "k": k, "include": ["attributes"]}
    answer = client.post(f"{_COLLECTION}/search", json=asked)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def find_like(client: httpx.Client, key: str) -> list[dict[str, Any]]:
    """All that is like an image, but itself. Raises TransportError, HTTPStatusError."""
    asked = {"image": {"id": key}, "k": MAX_HITS, "include": ["attributes"]}
    answer = client.post(f"{_COLLECTION}/search", json=asked)
    hits: list[dict[str, Any]] = answer.raise_for_status().json()["hits"]
    return hits


def record_of(client: httpx.Client, key: str, expected: Expected) -> State | str:
    """The one of the states that the image is in, or what is wrong. Raises TransportError."""
    record = client.get(_path(key))
    for state in expected.states:
        if _is_record_of(client, key, record, state):
            return state
    return f"{key} has the record {record.status_code} {record.text}; not one of {expected.states}"


def thumbnail_fault(client: httpx.Client, key: str, picture: int) -> str | None:
    """Made of the stored file, whose hash is compared. Raises TransportError."""
    thumbnail = client.get(f"{_path(key)}/thumbnail")
    if not thumbnail.is_success or thumbnail.headers["etag"] != _etag(picture):
        return f"{key} has no thumbnail of picture {picture}: {thumbnail.status_code}"
    return None


def _is_record_of(client: httpx.Client, key: str, record: httpx.Response, state: State) -> bool:
    if state.picture is None or not record.is_success:
        return state.picture is None and record.status_code == 404
    view: Mapping[str, Any] = record.json()
    if view["attributes"] != state.attributes or view["file_size"] != len(png(state.picture)):
        return False
    same = {"If-None-Match": _etag(state.picture)}
    return client.get(f"{_path(key)}/thumbnail", headers=same).status_code == 304


def _etag(picture: int) -> str:
    return f'"{content_hash(picture)[:32]}-{_SIZE}"'


def _path(key: str) -> str:
    return f"{_COLLECTION}/images/{key}"


def _line(write: Write) -> dict[str, Any]:
    match write:
        case Put(key, picture, attributes):
            line = {"op": "put", "id": key, "base64": b64encode(png(picture)).decode()}
            return line if attributes is None else {**line, "attributes": attributes}
        case Patch(key, attributes):
            return {"op": "patch", "id": key, "attributes": attributes}
        case Delete(key):
            return {"op": "delete", "id": key}
