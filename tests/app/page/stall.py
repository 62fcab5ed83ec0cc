"""A small shop for the page's tests: pictures of one colour each, with all kinds of attributes."""

import json
from datetime import date, timedelta
from pathlib import Path

from PIL import Image, ImageDraw

REDS, BLUES = 70, 30
"""Red ones are sku-000 … sku-069, half of them shoes and half bags; blue ones are hats."""
WIDE = "wide"
"""A cyan picture, wider than tiles are, of which WIDE_REGION is green."""
WIDE_REGION = {"x": 0.35, "y": 0.25, "width": 0.2, "height": 0.5}


def lay_out(folder: Path) -> Path:
    """Answers the catalogue. The n-th picture costs (n + 1) × 1000 and was released n days into
    2024; of each five, one is sold out.
    """
    rows = [_row(folder, number) for number in range(REDS + BLUES)]
    rows.append({"image": _wide(folder), "id": WIDE, "category": "hats"})
    catalogue = folder / "stall.jsonl"
    catalogue.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return catalogue


def _row(folder: Path, number: int) -> dict[str, object]:
    shade, is_red = 255 - number % 50, number < REDS
    Image.new("RGB", (40, 30), (shade, 0, 0) if is_red else (0, 0, shade)).save(
        folder / f"{number}.png"
    )
    return {
        "image": f"{number}.png",
        "id": f"sku-{number:03}",
        "title": f"No. {number}",
        "category": ("shoes", "bags")[number % 2] if is_red else "hats",
        "브랜드": "해솔" if number % 3 == 0 else "눈길",
        "tags": ["운동화", "여름"] if number % 4 == 0 else ["겨울"],
        "price": 1000 * (number + 1),
        "sold_out": number % 5 == 0,
        "released": (date(2024, 1, 1) + timedelta(days=number)).isoformat(),
    }


def _wide(folder: Path) -> str:
    width, height = 800, 200
    picture = Image.new("RGB", (width, height), "cyan")
    left, top = WIDE_REGION["x"] * width, WIDE_REGION["y"] * height
    size = WIDE_REGION["width"] * width, WIDE_REGION["height"] * height
    box = (left, top, left + size[0] - 1, top + size[1] - 1)
    ImageDraw.Draw(picture).rectangle(box, fill="lime")
    picture.save(folder / "wide.png")
    return "wide.png"
