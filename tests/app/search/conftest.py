"""A shop to search in, made once: its tests only read."""

import base64
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from app.config import Settings
from models import registry
from tests.app.shop import opened

SHADES = 12


def picture(red: int, green: int, blue: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (red, green, blue)).save(file, "PNG")
    return file.getvalue()


def line(key: str, colour: tuple[int, int, int], **attributes: object) -> dict[str, Any]:
    data = base64.b64encode(picture(*colour)).decode()
    return {"id": key, "base64": data, "attributes": attributes}


def wares() -> list[dict[str, Any]]:
    """Reds that fade, so that each is farther from red than the one before; a green, a blue, and
    one picture twice.
    """
    reds = [
        line(
            f"red-{number:02d}",
            (255, 20 * number, 10 * number),
            price=1000 * (SHADES - number),
            brand=["눈길", "해솔", "Nari"][number % 3],
            product=f"p{number // 2}",
            tags=["shirt", "신상"] if number % 2 else ["shirt"],
            sold_out=number % 4 == 0,
        )
        for number in range(SHADES)
    ]
    return [
        *reds,
        line("green", (0, 128, 0), price=500, brand="해솔"),
        line("blue", (0, 0, 255)),
        line("blue-again", (0, 0, 255), price=700),
    ]


def put(client: TestClient, lines: list[dict[str, Any]]) -> None:
    content = "\n".join(json.dumps(each) for each in lines)
    response = client.post(
        "/v1/collections/shop/images:batch",
        content=content.encode(),
        headers={"Content-Type": "application/x-ndjson"},
    )
    answers = [json.loads(answer) for answer in response.text.splitlines()]
    assert {answer["status"] for answer in answers} <= {200, 201, 204}, answers


@pytest.fixture(scope="module")
def stall(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("stall")
    shutil.copy(sqlite_template, folder / "catalog.db")
    settings = Settings(
        model="tiny",
        data_dir=folder,
        database_url=f"sqlite:///{folder / 'catalog.db'}",
        refresh_seconds=3600,
        _env_file=None,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._SCHEMES, "tiny", "tests.tiny_encoder")
        with opened(settings) as client:
            assert client.post("/v1/collections", json={"name": "shop"}).status_code == 201
            put(client, wares())
            yield client
