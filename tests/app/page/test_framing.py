"""The part of a picture that was found is framed where it is, however the picture is cut."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Route, expect

from tests.app.page.stall import WIDE, WIDE_REGION
from tests.app.page.visit import BROWSER, SEARCH, Visit, Visiting

pytestmark = BROWSER

Edges = tuple[float, float, float, float]
"""Left, top, right, bottom, in the page's pixels from where a box begins."""

TOLERANCE_PX = 3
_LOOKS = 30
FRAMED = """(box) => {
    const { x, y } = box.getBoundingClientRect();
    const { left, top, right, bottom } = box.querySelector(".frame").getBoundingClientRect();
    return [left - x, top - y, right - x, bottom - y];
}"""
BARE = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(".caption, .judge { visibility: hidden } .frame { opacity: 0 }"
        + "img { filter: none !important; opacity: 1 !important }");
    document.adoptedStyleSheets = [sheet];
}"""
"""The picture alone, to look for its colours."""


def _with_regions(visit: Visit) -> None:
    def frame(route: Route) -> None:
        answer = route.fetch().json()
        hits = [
            {**hit, "region": WIDE_REGION if hit["id"] == WIDE else None} for hit in answer["hits"]
        ]
        route.fulfill(json={**answer, "hits": hits})

    visit.page.route(SEARCH, frame)


def _green(box: Locator) -> Edges:
    """Where the green part is in what the box shows."""
    with Image.open(BytesIO(box.screenshot(animations="disabled"))) as shot:
        pixels = np.asarray(shot.convert("RGB")).astype(int)
    green = (pixels[..., 1] > 180) & (pixels[..., 0] < 90) & (pixels[..., 2] < 90)
    rows, columns = np.flatnonzero(green.any(1)), np.flatnonzero(green.any(0))
    scale = pixels.shape[1] / box.evaluate("box => box.getBoundingClientRect().width")
    edges = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    left, top, right, bottom = (float(edge / scale) for edge in edges)
    return left, top, right, bottom


def _framed(box: Locator) -> Edges:
    left, top, right, bottom = box.evaluate(FRAMED)
    return left, top, right, bottom


def _require_framed(box: Locator) -> None:
    """Once nothing moves any more: a larger picture may come, and the box grow with it."""
    for _ in range(_LOOKS):
        framed, green = _framed(box), _green(box)
        if framed == pytest.approx(green, abs=TOLERANCE_PX):
            return
        box.page.wait_for_timeout(100)
    assert framed == pytest.approx(green, abs=TOLERANCE_PX)


@pytest.mark.parametrize("phone", [False, True])
def test_the_frame_lies_around_what_was_found(shopping: Visiting, *, phone: bool) -> None:
    visit = shopping("/", language="en", phone=phone)
    _with_regions(visit)
    page = visit.page
    page.goto("/?q=lime")
    tile = page.locator(".picture", has_text=WIDE)
    picture = tile.locator("img")
    expect(picture).to_have_js_property("complete", value=True)
    page.evaluate(BARE)
    tile.focus()
    _require_framed(tile)
    tile.press("Enter")
    stage = page.get_by_role("dialog").locator(".stage")
    expect(stage.locator(".frame")).to_be_visible()
    _require_framed(stage)
    page.set_viewport_size({"width": 700, "height": 500})
    expect(stage.locator(".frame")).to_be_visible()
    _require_framed(stage)


def test_a_picture_without_a_region_has_no_frame(shopping: Visiting) -> None:
    visit = shopping("/?q=red", language="en")
    _with_regions(visit)
    page = visit.page
    page.reload()
    first = page.locator(".picture").first
    expect(first.locator("img")).to_have_js_property("complete", value=True)
    expect(first.locator(".frame")).to_be_hidden()
    first.click()
    expect(page.get_by_role("dialog").locator("img")).to_be_visible()
    expect(page.get_by_role("dialog").locator(".frame")).to_be_hidden()
