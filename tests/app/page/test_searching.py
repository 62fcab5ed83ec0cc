"""Words and pictures are asked for: typed, composed, shared as an address."""

from playwright.sync_api import Route, expect

from tests.app.page.visit import BROWSER, SEARCH, Visiting, expect_first

pytestmark = BROWSER


def test_korean_text_finds_the_cat(visiting: Visiting) -> None:
    page = visiting().page
    expect(page.locator(".tile")).to_have_count(7)
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.insert_text("고양이")
    page.keyboard.press("Enter")
    expect_first(page, "chelsea.png")
    expect(page.locator("#summary")).to_contain_text("사진 1장 ·")
    expect(page).to_have_title("고양이 – 눈길")
    expect(page.locator("#reveal")).to_have_text("관련이 적은 사진 6장 보기")
    page.locator("#reveal").click()
    expect(page.locator(".tile")).to_have_count(7)


def test_english_text_finds_the_coffee_as_it_is_typed(visiting: Visiting) -> None:
    page = visiting(language="en-GB").page
    page.keyboard.type("a cup of coffee", delay=10)
    expect_first(page, "coffee.png")
    expect(page.locator("#summary")).to_contain_text("1 picture ·")


def test_composing_hangul_is_never_disturbed_and_its_enter_never_submits(
    visiting: Visiting,
) -> None:
    visit = visiting()
    page = visit.page
    expect(page.locator(".tile")).to_have_count(7)
    page.evaluate(
        "() => addEventListener('submit', () => (window.submits = (window.submits ?? 0) + 1))"
    )
    keyboard = page.context.new_cdp_session(page)

    def compose(*states: str) -> None:
        for state in states:
            end = {"selectionStart": len(state), "selectionEnd": len(state)}
            keyboard.send("Input.imeSetComposition", {"text": state, **end})

    compose("ㄱ", "고")
    keyboard.send("Input.insertText", {"text": "고"})
    compose("ㅇ", "야", "양")
    keyboard.send("Input.insertText", {"text": "양"})
    compose("ㅇ")
    page.wait_for_timeout(500)  # longer than the pause after which typed text is searched for
    assert not any(str(text).endswith("ㅇ") for text in visit.texts)
    compose("이")
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
    keyboard.send("Input.dispatchKeyEvent", {"type": "keyDown", **enter})
    assert page.evaluate("() => window.submits ?? 0") == 0
    keyboard.send("Input.insertText", {"text": "이"})
    expect_first(page, "chelsea.png")
    expect(page.locator("#text")).to_have_value("고양이")
    assert visit.texts[-1] == "고양이"
    page.keyboard.press("Enter")
    assert page.evaluate("() => window.submits") == 1


def test_an_older_answer_never_replaces_a_newer_one(visiting: Visiting) -> None:
    page = visiting().page
    expect(page.locator(".tile")).to_have_count(7)
    held: list[Route] = []

    def hold_coffee(route: Route) -> None:
        if route.request.post_data_json["text"] == "커피":
            held.append(route)
        else:
            route.continue_()

    page.route(SEARCH, hold_coffee)
    with page.expect_request(SEARCH):
        page.fill("#text", "커피")
        page.keyboard.press("Enter")
    page.fill("#text", "로켓")
    page.keyboard.press("Enter")
    expect_first(page, "rocket.jpg")
    for route in held:
        route.continue_()
    page.wait_for_timeout(300)
    assert held
    expect_first(page, "rocket.jpg")


def test_what_is_being_typed_survives_an_answer_that_comes_meanwhile(visiting: Visiting) -> None:
    page = visiting().page
    expect(page.locator(".tile")).to_have_count(7)
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route(SEARCH, hold_the_first)
    with page.expect_request(SEARCH):
        page.reload()
    page.locator("#text").focus()
    page.keyboard.insert_text("고양이")
    held[0].continue_()
    expect_first(page, "chelsea.png")
    expect(page.locator("#text")).to_have_value("고양이")


def test_the_opening_page_offers_pictures_and_queries_in_both_languages(
    visiting: Visiting,
) -> None:
    page = visiting(language="en").page
    expect(page.locator(".tile")).to_have_count(7)
    expect(page.locator(".tile .relevance").first).to_be_hidden()
    expect(page.locator("#examples :lang(ko) a").first).to_be_visible()
    page.get_by_text("a cat", exact=True).click()
    expect_first(page, "chelsea.png")
    expect(page.locator("#text")).to_have_value("a cat")


def test_an_address_can_be_shared_and_back_goes_back(visiting: Visiting) -> None:
    page = visiting().page
    page.fill("#text", "커피 한 잔")
    page.keyboard.press("Enter")
    expect_first(page, "coffee.png")
    page.fill("#text", "로켓")
    page.keyboard.press("Enter")
    expect_first(page, "rocket.jpg")
    page.go_back()
    expect_first(page, "coffee.png")
    expect(page.locator("#text")).to_have_value("커피 한 잔")
    page.go_back()
    expect(page.locator("body")).to_have_attribute("data-view", "start")
    expect(page.locator("#text")).to_have_value("")
    page.go_forward()
    page.go_forward()
    expect_first(page, "rocket.jpg")
    shared = visiting(page.url, language="en").page
    expect_first(shared, "rocket.jpg")
    expect(shared.locator("#text")).to_have_value("로켓")
