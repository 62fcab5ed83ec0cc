"""All that was found can be reached: by scrolling, by the button, after the index was replaced."""

import json

from playwright.sync_api import Page, Route, expect

from tests.app.page.stall import REDS
from tests.app.page.visit import BROWSER, SEARCH, Visiting

pytestmark = BROWSER


def _ids(page: Page) -> list[str]:
    return page.locator("#close-hits .name").all_inner_texts()


def test_pictures_go_on_as_the_page_is_scrolled(shopping: Visiting) -> None:
    visit = shopping("/?q=red", language="en")
    page = visit.page
    expect(page.locator("#close-hits .tile")).to_have_count(60)
    page.mouse.move(600, 500)
    page.mouse.wheel(0, 20_000)
    expect(page.locator("#close-hits .tile")).to_have_count(REDS)
    assert len(set(_ids(page))) == REDS
    expect(page.locator("#summary")).to_contain_text(f"{REDS} pictures")
    expect(page.locator("#reveal")).to_be_visible()
    page.locator("#reveal").click()
    expect(page.locator(".tile")).to_have_count(101)
    expect(page.locator("#more")).to_be_hidden()


def test_the_keyboard_reaches_the_button_and_the_foot_of_the_page(shopping: Visiting) -> None:
    page = shopping("/?q=red", language="en").page
    page.emulate_media(reduced_motion="reduce")
    expect(page.locator("#close-hits .tile")).to_have_count(60)
    page.locator("#more").focus()
    expect(page.locator("#close-hits .tile")).to_have_count(60)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Admin")).to_be_focused()
    page.locator("#more").press("Enter")
    expect(page.locator("#close-hits .tile")).to_have_count(REDS)


def test_a_replaced_index_is_searched_again_without_showing_anything_twice(
    shopping: Visiting,
) -> None:
    visit = shopping("/?q=red", language="en")
    visit.expected = "410"
    page = visit.page
    expect(page.locator("#close-hits .tile")).to_have_count(60)
    before = _ids(page)
    gone = json.dumps({"code": "cursor_expired", "detail": "the index is another one by now"})

    def expire(route: Route) -> None:
        if "cursor" in (route.request.post_data_json or {}):
            route.fulfill(status=410, body=gone)
        else:
            route.continue_()

    page.route(SEARCH, expire)
    page.locator("#more").press("Enter")
    expect(page.locator("#close-hits .tile")).to_have_count(REDS)
    assert _ids(page)[:60] == before
    assert len(set(_ids(page))) == REDS


def test_a_page_that_does_not_come_is_said_and_the_others_stay(shopping: Visiting) -> None:
    visit = shopping("/?q=red", language="en")
    visit.expected = "Failed to load resource"
    page = visit.page
    expect(page.locator("#close-hits .tile")).to_have_count(60)

    def fail(route: Route) -> None:
        route.fulfill(status=500, body=json.dumps({"code": "internal", "detail": "a fault"}))

    page.route(SEARCH, fail)
    page.locator("#more").press("Enter")
    expect(page.get_by_role("alert")).to_have_text("More pictures could not be loaded.")
    expect(page.locator("#close-hits .tile")).to_have_count(60)
    page.unroute(SEARCH)
    page.locator("#more").press("Enter")
    expect(page.locator("#close-hits .tile")).to_have_count(REDS)
    expect(page.get_by_role("alert")).to_be_hidden()
