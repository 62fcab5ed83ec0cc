"""Suggestions while Korean and English are typed, and what was searched for instead."""

from playwright.sync_api import CDPSession, Locator, Page, Route, expect

from tests.app.page.visit import BROWSER, Visiting

pytestmark = BROWSER

SUGGEST = "**/suggest?*"
ENTER = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}


def _compose(keyboard: CDPSession, *states: str) -> None:
    for state in states:
        end = {"selectionStart": len(state), "selectionEnd": len(state)}
        keyboard.send("Input.imeSetComposition", {"text": state, **end})


def _options(page: Page, *, selected: bool | None = None) -> Locator:
    return page.get_by_role("listbox").get_by_role("option", selected=selected)


def _option(page: Page, text: str) -> None:
    expect(_options(page).get_by_text(text, exact=True)).to_be_visible()


def test_hangul_is_completed_while_it_is_composed(shopping: Visiting) -> None:
    page = shopping("/").page
    keyboard = page.context.new_cdp_session(page)
    box = page.get_by_role("combobox", name="사진 검색")
    expect(box).to_be_focused()
    page.evaluate("() => addEventListener('submit', () => (window.isSubmitted = true))")
    _compose(keyboard, "ㅇ", "우", "운")
    keyboard.send("Input.insertText", {"text": "운"})
    _compose(keyboard, "ㄷ", "도")
    _option(page, "운동화")
    expect(box).to_have_attribute("aria-expanded", "true")
    expect(box).to_have_value("운도")
    keyboard.send("Input.dispatchKeyEvent", {"type": "keyDown", **ENTER})
    assert not page.evaluate("() => window.isSubmitted")
    keyboard.send("Input.insertText", {"text": "동"})
    expect(box).to_have_value("운동")
    _option(page, "운동화")
    page.keyboard.press("ArrowDown")
    chosen = _options(page, selected=True)
    expect(chosen).to_have_text("운동화")
    expect(box).to_have_attribute("aria-activedescendant", str(chosen.get_attribute("id")))
    page.keyboard.press("Enter")
    expect(box).to_have_value("운동화")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(page).to_have_title("운동화 – 눈길")


def test_a_list_that_somebody_chooses_from_stays(shopping: Visiting) -> None:
    page = shopping("/").page
    box = page.get_by_role("combobox", name="사진 검색")
    box.press_sequentially("운")
    _option(page, "운동화")
    late: list[Route] = []

    def hold(route: Route) -> None:
        late.append(route)

    page.route(SUGGEST, hold)
    with page.expect_request(SUGGEST):
        box.press_sequentially("동")
    page.keyboard.press("ArrowDown")
    for route in late:
        route.fulfill(json={"suggestions": [{"text": "other", "count": 1}]})
    page.wait_for_timeout(200)
    expect(_options(page, selected=True)).to_have_text("운동화")


def test_initial_consonants_and_the_other_layout_are_completed(shopping: Visiting) -> None:
    page = shopping("/").page
    for typed in ("ㅇㄷㅎ", "dnsehd"):
        page.fill("#text", typed)
        _option(page, "운동화")


def test_choosing_with_the_mouse_leaves_no_half_syllable_behind(shopping: Visiting) -> None:
    page = shopping("/").page
    expect(page.locator("#text")).to_be_focused()
    keyboard = page.context.new_cdp_session(page)
    _compose(keyboard, "ㅎ", "해")
    page.get_by_role("option", name="해솔").click()
    expect(page).to_have_title("해솔 – 눈길")
    expect(page.locator("#text")).to_have_value("해솔")
    page.keyboard.insert_text("!")
    expect(page.locator("#text")).to_have_value("해솔!")


def test_suggestions_are_touched(shopping: Visiting) -> None:
    page = shopping("/", language="en", phone=True).page
    page.locator("#text").tap()
    page.keyboard.insert_text("sho")
    page.get_by_role("option", name="shoes").tap()
    expect(page).to_have_title("shoes – Noongil")
    expect(page.get_by_role("listbox")).to_be_hidden()


def test_the_keyboard_goes_through_the_list_and_out_of_it(shopping: Visiting) -> None:
    page = shopping("/", language="en").page
    page.fill("#text", "여")
    _option(page, "여름")
    page.keyboard.press("ArrowUp")
    expect(_options(page, selected=True)).to_have_text("여름")
    page.keyboard.press("ArrowDown")
    expect(_options(page, selected=True)).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(page.locator("#text")).to_have_value("여")
    expect(page.locator("#close-hits .picture, #far-hits .picture").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".picture").first).to_be_focused()


def test_an_older_suggestion_never_replaces_a_newer_one(shopping: Visiting) -> None:
    page = shopping("/", language="en").page
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "prefix=ba&" in route.request.url:
            held.append(route)
        else:
            route.continue_()

    page.route(SUGGEST, hold)
    with page.expect_request(SUGGEST):
        page.fill("#text", "ba")
    page.fill("#text", "sh")
    _option(page, "shoes")
    held[0].continue_()
    page.wait_for_timeout(300)
    expect(_options(page)).to_have_text(["shoes"])


def test_a_server_that_suggests_nothing_disturbs_nobody(shopping: Visiting) -> None:
    visit = shopping("/", language="en")
    visit.expected = "Failed to load resource"
    page = visit.page
    page.route(SUGGEST, lambda route: route.abort())
    page.fill("#text", "red")
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_contain_text("60 pictures")
    expect(page.locator("#notice")).to_be_hidden()


def test_a_repaired_text_is_told_and_what_was_typed_can_be_searched_for(
    shopping: Visiting,
) -> None:
    visit = shopping("/", language="en")
    page = visit.page
    page.fill("#text", "rhdiddl")
    page.keyboard.press("Enter")
    expect(page.locator("#repair")).to_contain_text("Showing results for “고양이”.")
    page.get_by_role("link", name="Search instead for “rhdiddl”").click()
    expect(page.locator("#repair")).to_be_hidden()
    expect(page.locator("#text")).to_have_value("rhdiddl")
    shared = shopping(page.url, language="en").page
    expect(shared.locator(".tile").first).to_be_visible()
    expect(shared.locator("#repair")).to_be_hidden()
    page.fill("#text", "ㅡㅐㅕㄴㄷ")
    page.keyboard.press("Enter")
    expect(page.locator("#repair")).to_contain_text("Showing results for “mouse”.")
