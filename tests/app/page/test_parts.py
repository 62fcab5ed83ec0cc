"""More than words is asked: a picture of one's own, more like this, less like that."""

import base64
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.app.page.visit import BROWSER, SEARCH, Visit, Visiting

pytestmark = BROWSER

GIVE = """({ base64, type }) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], "mine.png", { type: "image/png" }));
    const target = document.activeElement ?? document.body;
    if (type === "paste") {
        return target.dispatchEvent(new ClipboardEvent("paste", {
            clipboardData: data, bubbles: true, cancelable: true,
        }));
    }
    return target.dispatchEvent(new DragEvent(type, {
        dataTransfer: data, bubbles: true, cancelable: true,
    }));
}"""
"""The browser's own events, with a file; answers whether the browser would go on to show it."""


def _png(colour: str, size: tuple[int, int] = (40, 30)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def _give(page: Page, data: bytes, kind: str) -> bool:
    return bool(page.evaluate(GIVE, {"base64": base64.b64encode(data).decode(), "type": kind}))


def _asked(visit: Visit) -> dict[str, Any]:
    """The last search for a page of pictures."""
    return [asked for asked in visit.searched if asked["k"] == 60][-1]


def _sent(visit: Visit) -> bytes:
    return base64.b64decode(_asked(visit)["image"]["base64"])


def _first_is(page: Page, name: str) -> None:
    expect(page.locator("#results")).to_have_attribute("aria-busy", "false")
    expect(page.locator(".tile .name").first).to_have_text(re.compile(name))


def test_a_picture_that_is_chosen_finds_its_like_and_words_narrow_it_down(
    shopping: Visiting, tmp_path: Path
) -> None:
    visit = shopping("/", language="en")
    page = visit.page
    (tmp_path / "mine.png").write_bytes(_png("blue"))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Search by a picture").click()
    chooser.value.set_files(tmp_path / "mine.png")
    expect(page.locator(".part")).to_contain_text("Your picture")
    _first_is(page, "sku-0[789].")
    assert _sent(visit) == _png("blue")  # small: as it is
    page.fill("#text", "red")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=red"))
    expect(page.locator(".part img")).to_have_js_property("naturalWidth", 40)
    expect(page.locator("#summary")).to_contain_text("picture")
    assert _asked(visit).keys() >= {"text", "image"}
    page.get_by_role("button", name="Remove: Your picture").click()
    expect(page.locator(".part")).to_have_count(0)
    _first_is(page, "sku-0[0-6].")
    assert "image" not in _asked(visit)


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped_anywhere(shopping: Visiting, kind: str) -> None:
    visit = shopping("/?q=red", language="en")
    page = visit.page
    expect(page.locator(".tile").first).to_be_visible()
    if kind == "drop":
        _give(page, _png("blue"), "dragenter")
        expect(page.locator("#drop")).to_be_visible()
    assert not _give(page, _png("blue"), kind)
    expect(page.locator("#drop")).to_be_hidden()
    expect(page.locator(".part img")).to_have_js_property("naturalWidth", 40)
    assert _sent(visit) == _png("blue")
    assert _asked(visit)["text"] == "red"


def test_a_large_picture_is_made_small_before_it_is_sent(shopping: Visiting) -> None:
    visit = shopping("/", language="en")
    page = visit.page
    expect(page.locator(".tile").first).to_be_visible()
    _give(page, _png("blue", (3000, 1500)), "paste")
    expect(page.locator(".part")).to_have_count(1)
    _first_is(page, "sku-0[789].")
    with Image.open(BytesIO(_sent(visit))) as sent:
        assert (sent.format, sent.size) == ("JPEG", (1024, 512))


def test_a_picture_stays_with_its_tab(shopping: Visiting) -> None:
    visit = shopping("/", language="en")
    page = visit.page
    expect(page.locator(".tile").first).to_be_visible()
    _give(page, _png("blue"), "paste")
    expect(page.locator(".part")).to_have_count(1)
    _first_is(page, "sku-0[789].")
    page.reload()
    _first_is(page, "sku-0[789].")
    assert _sent(visit) == _png("blue")
    page.go_back()
    expect(page.locator(".part")).to_have_count(0)
    page.go_forward()
    expect(page.locator(".part")).to_have_count(1)
    other = shopping(page.url, language="en").page
    expect(other.locator("#notice h2")).to_have_text("The picture is not here")
    other.get_by_role("button", name="Search without it").click()
    expect(other.locator("#notice")).to_be_hidden()
    expect(other.locator(".part")).to_have_count(0)


def test_what_is_no_picture_is_said(shopping: Visiting) -> None:
    visit = shopping("/", language="en")
    visit.expected = "Failed to load resource"
    expect(visit.page.locator(".tile").first).to_be_visible()
    _give(visit.page, b"no picture at all", "paste")
    expect(visit.page.get_by_role("alert")).to_contain_text("cannot be searched for")
    expect(visit.page.locator(".part img")).to_be_hidden()


def test_more_like_this_and_not_like_that(shopping: Visiting) -> None:
    visit = shopping("/?q=red", language="en")
    page = visit.page
    first = page.locator(".tile").first
    name = first.locator(".name").inner_text()
    first.hover()
    first.get_by_role("button", name=f"More like {name}").click()
    expect(page.locator(".part .name")).to_have_text(name)
    expect(page).to_have_url(re.compile(f"similar={name}"))
    assert _asked(visit)["image"] == {"id": name}
    expect(page.locator(".picture .name").first).not_to_have_text(name)
    page.locator(".picture").nth(3).focus()
    other = page.locator(".picture .name").nth(3).inner_text()
    page.keyboard.press("-")
    expect(page.locator(".is-away .name")).to_have_text(other)
    assert _asked(visit)["queries"] == [{"image": {"id": other}, "weight": -0.5}]
    shared = shopping(page.url, language="ko").page
    expect(shared.locator(".part .name")).to_have_text([name, other])
    page.get_by_role("button", name=f"Remove: Not like {other}").click()
    expect(page.locator(".part")).to_have_count(1)
    page.locator(".picture").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Not like this").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator(".is-away")).to_have_count(1)


def test_words_to_keep_away_from_are_composed_in_peace(shopping: Visiting) -> None:
    visit = shopping("/?q=red")
    page = visit.page
    page.get_by_label("이 말과 먼 것 찾기").focus()
    keyboard = page.context.new_cdp_session(page)
    for state in ("ㅍ", "파", "팔", "파라", "파랑"):
        end = {"selectionStart": len(state), "selectionEnd": len(state)}
        keyboard.send("Input.imeSetComposition", {"text": state, **end})
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
    keyboard.send("Input.dispatchKeyEvent", {"type": "keyDown", **enter})
    expect(page.locator(".part")).to_have_count(0)
    keyboard.send("Input.insertText", {"text": "파랑"})
    with page.expect_request(SEARCH):
        page.keyboard.press("Enter")
    expect(page.locator(".is-away")).to_contain_text("파랑")
    expect(page).to_have_url(re.compile("without="))
    assert _asked(visit)["queries"] == [{"text": "파랑", "weight": -0.5}]
    page.get_by_role("button", name="제외 파랑 지우기").click()
    expect(page.locator(".part")).to_have_count(0)
