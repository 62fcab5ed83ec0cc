"""Pictures are looked at: the larger view, the keyboard, names that are markup."""

import re

from playwright.sync_api import expect

from tests.app.page.visit import BROWSER, HOSTILE, Visiting

pytestmark = BROWSER


def test_larger_view_and_similar_pictures(visiting: Visiting) -> None:
    page = visiting("/?q=motorcycle").page
    page.locator(".tile button", has_text="motorcycle_left.png").click()
    viewer = page.get_by_role("dialog")
    expect(viewer.locator("h2")).to_have_text("motorcycle_left.png")
    expect(viewer.locator("dl")).to_contain_text("PNG")
    picture = viewer.locator("img")
    expect(picture).to_have_js_property("complete", value=True)
    assert "size=1280" in picture.evaluate("image => image.currentSrc")
    assert picture.evaluate("image => image.naturalWidth") > 320
    viewer.get_by_role("button", name="비슷한 사진 찾기").click()
    expect(viewer).to_be_hidden()
    expect(page.locator("#similar")).to_contain_text("motorcycle_left.png")
    expect(page).to_have_url(re.compile("similar=motorcycle_left.png"))
    expect(page.locator(".tile .name").first).to_have_text(HOSTILE)
    expect(page.locator(".tile button").first).to_be_focused()
    page.get_by_role("button", name="비슷한 사진 찾기 그만두기").click()
    expect(page.locator("#similar")).to_be_hidden()
    expect(page.locator("body")).to_have_attribute("data-view", "start")


def test_everything_works_from_the_keyboard(visiting: Visiting) -> None:
    page = visiting("/?q=motorcycle", language="en").page
    tiles = page.locator("#close-hits .tile button")
    expect(tiles).to_have_count(2)
    page.keyboard.press("/")
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(tiles.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog")
    expect(viewer.locator(".position")).to_have_text("1 of 2")
    page.keyboard.press("ArrowRight")
    expect(viewer.locator(".position")).to_have_text("2 of 2")
    page.keyboard.press("ArrowRight")
    expect(viewer.locator(".position")).to_have_text("2 of 2")
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#text")).to_be_focused()


def test_a_file_name_is_text_and_never_markup(visiting: Visiting) -> None:
    page = visiting("/?q=오토바이").page
    page.locator(".tile button", has_text=HOSTILE).click()
    viewer = page.get_by_role("dialog")
    expect(viewer.locator("h2")).to_have_text(HOSTILE)
    expect(viewer.locator("img")).to_have_js_property("complete", value=True)
    viewer.get_by_role("button", name="비슷한 사진 찾기").click()
    expect(page.locator("#similar .name")).to_have_text(HOSTILE)
    expect(page.locator(".tile .name").first).to_have_text("motorcycle_left.png")
    page.goto("/?q=<img src=x onerror=\"document.title='pwned'\">")
    expect(page.locator("#summary")).not_to_be_empty()
    assert page.title() != "pwned"
    assert page.locator("img[src=x]").count() == 0
