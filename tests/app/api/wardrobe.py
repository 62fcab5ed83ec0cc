"""The shop that the documentation speaks of: pictures with the attributes of its examples."""

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image

from app.config import Settings
from tests.app.keys import bearer, guarded, make_key
from tests.app.shop import index, served

COLOURS = ("red", "crimson", "tomato", "orange", "gold", "green", "teal", "blue", "navy", "pink")


def picture(colour: str, form: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, form)
    return file.getvalue()


def wares() -> Iterator[dict[str, object]]:
    """sku-1 … sku-10: shoes and dresses, two of a product, one picture twice."""
    for number, colour in enumerate(COLOURS, 1):
        yield {
            "id": f"sku-{number}",
            "base64": base64.b64encode(picture(colour)).decode(),
            "attributes": {
                "상품명": "빨간 운동화" if number % 2 else "파란 원피스",
                "상품": f"p-{number // 2}",
                "product_id": f"p-{number // 2}",
                "category": "신발" if number % 2 else "원피스",
                "브랜드": ("눈길", "해솔", "나리")[number % 3],
                "price": 9000 * number,
                "품절": number % 4 == 0,
                "할인": number % 3 == 0,
                "tags": ["신상", "여름"] if number % 2 else ["여름"],
                "출시": f"2026-0{number % 9 + 1}-15",
            },
        }
    again = base64.b64encode(picture("red")).decode()
    yield {"id": "sku-11", "base64": again, "attributes": {"category": "신발", "price": 1000}}


def fill(client: httpx.Client) -> None:
    response = client.post(
        "/v1/collections/shop/images:batch",
        content="\n".join(json.dumps(each) for each in wares()).encode(),
        headers={"Content-Type": "application/x-ndjson"},
    )
    answers = [json.loads(line) for line in response.text.splitlines()]
    assert {answer["status"] for answer in answers} == {201}, answers


@contextmanager
def wardrobe(settings: Settings, photos: Path, *, keys: bool) -> Iterator[httpx.Client]:
    """A server over a socket that has the collection `shop`, with a version and later writes; with
    `keys`, one that asks for them, called with an administrator's.
    """
    index(settings, photos)
    admin = make_key(settings, "admin")
    with served(guarded(settings) if keys else settings) as client:
        if keys:
            client.headers.update(bearer(admin))
        fill(client)
        yield client
