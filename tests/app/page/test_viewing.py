"""Pictures are looked at: the larger view, the keyboard, names that are markup."""

import re

from playwright.sync_api import expect

from tests.app.page.visit import BROWSER, HOSTILE, Visiting

pytestmark = BROWSER


def test_larger_view_and_similar_pictures(visiting: Visiting) -> None:
    page = visiting("/?q=motorcycle").page
    page.locator(".picture", has_text="motorcycle_left.png").click()
    viewer = page.get_by_role("dialog")
    expect(viewer.locator("h2")).to_have_text("motorcycle_left.png")
    expect(viewer.locator("dl")).to_contain_text("PNG")
    picture = viewer.locator("img")
    expect(picture).to_have_js_property("complete", value=True)
    assert "size=1280" in picture.evaluate("image => image.currentSrc")
    assert picture.evaluate("image => image.naturalWidth") > 320
    viewer.get_by_role("button", name="비슷한 사진 찾기").click()
    expect(viewer).to_be_hidden()
    expect(page.locator("#parts")).to_contain_text("motorcycle_left.png")
    expect(page).to_have_url(re.compile("similar=motorcycle_left.png"))
    expect(page.locator(".tile .name").first).to_have_text(HOSTILE)
    expect(page.locator(".picture").first).to_be_focused()
    page.get_by_role("button", name="비슷한 사진 motorcycle_left.png 지우기").click()
    expect(page.locator(".part")).to_have_count(0)
    expect(page.locator("body")).to_have_attribute("data-view", "start")


def test_everything_works_from_the_keyboard(visiting: Visiting) -> None:
    page = visiting("/?q=motorcycle", language="en").page
    tiles = page.locator("#close-hits .picture")
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
    page.locator(".picture", has_text=HOSTILE).click()
    viewer = page.get_by_role("dialog")
    expect(viewer.locator("h2")).to_have_text(HOSTILE)
    expect(viewer.locator("img")).to_have_js_property("complete", value=True)
    viewer.get_by_role("button", name="비슷한 사진 찾기").click()
    expect(page.locator(".part .name")).to_have_text(HOSTILE)
    expect(page.locator(".tile .name").first).to_have_text("motorcycle_left.png")
    page.goto("/?q=<img src=x onerror=\"document.title='pwned'\">")
    expect(page.locator("#summary")).not_to_be_empty()
    assert page.title() != "pwned"
    assert page.locator("img[src=x]").count() == 0


def test_a_picture_that_is_taller_than_the_window_is_seen_whole(visiting: Visiting) -> None:
    page = visiting("/?q=astronaut").page
    page.set_viewport_size({"width": 1200, "height": 420})
    page.locator(".picture").first.click()
    stage = page.get_by_role("dialog").locator(".stage")
    expect(stage.locator("img")).to_have_js_property("complete", value=True)
    room, picture = stage.bounding_box(), stage.locator("img").bounding_box()
    assert room is not None
    assert picture is not None
    assert picture["y"] >= room["y"]
    assert picture["y"] + picture["height"] <= room["y"] + room["height"]
