"""Pictures on their way to the API, and what of them is in the catalog."""

import base64
from io import BytesIO
from typing import Any

import httpx
from PIL import Image

from tests.app.shop import image_url


def png(colour: str | tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def put_file(
    client: httpx.Client, key: str, data: bytes, attributes: str | None = None
) -> httpx.Response:
    fields = {} if attributes is None else {"attributes": attributes}
    return client.put(image_url(key), files={"file": ("any name", data)}, data=fields)


def put_json(client: httpx.Client, key: str, **body: Any) -> httpx.Response:
    return client.put(image_url(key), json=body)


def new_shop(client: httpx.Client, model: str = "tiny") -> None:
    created = client.post("/v1/collections", json={"name": "shop", "model": model})
    assert created.status_code == 201, created.text


def record(client: httpx.Client, key: str) -> dict[str, Any]:
    response = client.get(image_url(key))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def thumbnail_of(client: httpx.Client, key: str) -> bytes:
    response = client.get(image_url(key, "/thumbnail"))
    assert response.status_code == 200, response.text
    return response.content
