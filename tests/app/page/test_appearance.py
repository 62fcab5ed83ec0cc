"""Language, theme and width of the search page."""

import pytest
from playwright.sync_api import expect

from tests.app.page.visit import BROWSER, Visiting, expect_first

pytestmark = BROWSER


def test_the_language_is_switched_at_once_and_remembered(visiting: Visiting) -> None:
    page = visiting("/?q=고양이&lang=ko", language="en").page
    expect_first(page, "chelsea.png")
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#summary")).to_contain_text("1 picture ·")
    expect(page.locator("#text")).to_have_attribute("placeholder", "What are you looking for?")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="한국어로 보기").click()
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("lang", "ko")


def test_the_chosen_language_is_part_of_the_address(visiting: Visiting) -> None:
    page = visiting("/?q=고양이", language="ko").page
    expect_first(page, "chelsea.png")
    page.get_by_role("button", name="Switch to English").click()
    page.fill("#text", "coffee")
    page.keyboard.press("Enter")
    expect_first(page, "coffee.png")
    shared = visiting(page.url, language="ko").page
    expect(shared.locator("html")).to_have_attribute("lang", "en")


def test_the_theme_follows_the_system_until_it_is_chosen(visiting: Visiting) -> None:
    page = visiting().page
    ground = "() => getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    page.get_by_role("button", name="밝은 화면으로").click()
    assert page.evaluate(ground) == light
    page.reload()
    assert page.evaluate(ground) == light


@pytest.mark.parametrize("width", [320, 2560])
def test_the_page_fits_every_width_and_nothing_moves_as_pictures_arrive(
    visiting: Visiting, width: int
) -> None:
    page = visiting().page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/?q=motorcycle")
    tile = page.locator(".tile").first
    before = tile.bounding_box()
    expect(page.locator(".tile.is-loaded")).to_have_count(2)
    assert tile.bounding_box() == before
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
