"""The page in a real Chromium, on a real server with real pictures."""

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import skimage.data
import uvicorn
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from app.config import Settings
from app.main import create_app
from indexer.catalog import db
from indexer.catalog.db import Database
from indexer.embedding.run import EmbedOptions
from indexer.indexing import Indexing
from indexer.pictures.decode import DecodeLimits
from indexer.progress import Silent
from indexer.sources import source_of
from models.registry import shared_encoder

CHROMIUM = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHOTOS = [
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "astronaut.png",
    "motorcycle_left.png",
    "clock_motion.png",
]
HOSTILE = "<img src=x onerror=\"document.title='pwned'\">.png"
SEARCH = "**/v1/collections/*/search"
"""The photos' collection is called `photos`; `nothing-yet` has never been indexed."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("photos")
    samples = Path(skimage.data.__file__).parent
    for name in PHOTOS:
        shutil.copy(samples / name, folder)
    shutil.copy(samples / "motorcycle_right.png", folder / HOSTILE)
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), log_level="error")
    db.upgrade(settings.database_url)
    database = Database(settings.database_url)
    options = EmbedOptions(DecodeLimits(), threads=2, batch_size=8)
    indexing = Indexing(database, settings.data_dir, options, keep_versions=2)
    source = source_of(str(folder), options=settings.source_options())
    indexing.run("photos", source, shared_encoder("starter"), Silent(), recall=0.95)
    database.close()
    with _served(settings) as address:
        created = httpx.post(f"{address}/v1/collections", json={"name": "nothing-yet"})
        assert created.status_code == 201
        yield address


@contextmanager
def _served(settings: Settings) -> Iterator[str]:
    config = uvicorn.Config(create_app(settings), port=0, log_level="error", ws="none")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        while not running.started:
            assert thread.is_alive()
            time.sleep(0.02)
        port = running.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        running.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


class Visit:
    """A reader's browser. Anything that it complains of, and any other host, fails the test."""

    def __init__(self, browser: Browser, server: str, language: str) -> None:
        self._context = browser.new_context(
            base_url=server, locale=language, viewport={"width": 1200, "height": 800}
        )
        self._server = server
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(10_000)
        self.complaints: list[str] = []
        self.expected = "no complaint is expected"
        self.searched: list[dict[str, object]] = []
        self.elsewhere: list[str] = []
        self.page.on("console", lambda line: self._heard(line.type, line.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._went(request.url, request.post_data))

    def close(self) -> None:
        self._context.close()
        assert self.elsewhere == []
        assert [line for line in self.complaints if self.expected not in line] == []

    def _heard(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def _went(self, url: str, body: str | None) -> None:
        if not url.startswith(self._server):
            self.elsewhere.append(url)
        if url.endswith("/search") and body:
            self.searched.append(json.loads(body))

    @property
    def texts(self) -> list[object]:
        """The texts that were searched for; the opening page's own search is not one."""
        return [asked["text"] for asked in self.searched if "text" in asked and asked["k"] == 60]


Visiting = Callable[..., Visit]


@pytest.fixture
def visiting(browser: Browser, server: str) -> Iterator[Visiting]:
    visits: list[Visit] = []

    def visit(address: str = "/", language: str = "ko-KR") -> Visit:
        visits.append(Visit(browser, server, language))
        visits[-1].page.goto(address)
        return visits[-1]

    yield visit
    for one in visits:
        one.close()


def _expect_first(page: Page, name: str) -> None:
    expect(page.locator("#close-hits .name").first).to_have_text(name)


def test_korean_text_finds_the_cat(visiting: Visiting) -> None:
    page = visiting().page
    expect(page.locator(".tile")).to_have_count(7)
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.insert_text("고양이")
    page.keyboard.press("Enter")
    _expect_first(page, "chelsea.png")
    expect(page.get_by_role("status")).to_contain_text("사진 1장 ·")
    expect(page).to_have_title("고양이 – 눈길")
    expect(page.locator("#reveal")).to_have_text("관련이 적은 사진 6장 보기")
    page.locator("#reveal").click()
    expect(page.locator(".tile")).to_have_count(7)


def test_english_text_finds_the_coffee_as_it_is_typed(visiting: Visiting) -> None:
    page = visiting(language="en-GB").page
    page.keyboard.type("a cup of coffee", delay=10)
    _expect_first(page, "coffee.png")
    expect(page.get_by_role("status")).to_contain_text("1 picture ·")


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
    _expect_first(page, "chelsea.png")
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
    _expect_first(page, "rocket.jpg")
    for route in held:
        route.continue_()
    page.wait_for_timeout(300)
    assert held
    _expect_first(page, "rocket.jpg")


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


def test_the_opening_page_offers_pictures_and_queries_in_both_languages(
    visiting: Visiting,
) -> None:
    page = visiting(language="en").page
    expect(page.locator(".tile")).to_have_count(7)
    expect(page.locator(".tile .relevance").first).to_be_hidden()
    expect(page.locator("#examples :lang(ko) a").first).to_be_visible()
    page.get_by_text("a cat", exact=True).click()
    _expect_first(page, "chelsea.png")
    expect(page.locator("#text")).to_have_value("a cat")


def test_a_collection_without_pictures_says_how_to_index(visiting: Visiting) -> None:
    page = visiting().page
    page.get_by_label("컬렉션").select_option("nothing-yet")
    expect(page.locator("#notice h2")).to_have_text("아직 사진이 없어요")
    expect(page.locator("#notice code")).to_have_text(
        "noongil index ./photos --collection nothing-yet"
    )
    page.reload()
    expect(page.get_by_label("컬렉션")).to_have_value("nothing-yet")
    page.goto("/")
    expect(page.get_by_label("컬렉션")).to_have_value("nothing-yet")


def test_a_collection_that_is_gone_leads_to_those_that_are_there(visiting: Visiting) -> None:
    page = visiting("/?q=cat&collection=gone", language="en").page
    expect(page.get_by_role("alert")).to_contain_text("There is no collection “gone”")
    page.get_by_role("button", name="photos").click()
    _expect_first(page, "chelsea.png")


def test_pictures_that_are_only_nearest_are_not_shown_as_found(visiting: Visiting) -> None:
    page = visiting().page

    def make_irrelevant(route: Route) -> None:
        answer = route.fetch().json()
        route.fulfill(
            json={**answer, "hits": [{**hit, "relevance": 0.2} for hit in answer["hits"]]}
        )

    page.route(SEARCH, make_irrelevant)
    page.goto("/?q=없는 것")
    expect(page.locator("#notice h2")).to_have_text("꼭 맞는 사진은 없어요")
    expect(page.locator("#close-hits .tile")).to_have_count(0)
    expect(page.locator("#far-hits .tile")).to_have_count(7)


def test_no_pictures_at_all_is_said(visiting: Visiting) -> None:
    page = visiting(language="en").page
    page.route(SEARCH, lambda route: route.fulfill(json={**route.fetch().json(), "hits": []}))
    page.goto("/?q=nothing")
    expect(page.locator("#notice h2")).to_have_text("Nothing found")


def test_a_server_that_is_not_ready_is_asked_again_until_it_is(visiting: Visiting) -> None:
    visit = visiting()
    visit.expected = "503"
    page = visit.page
    problem = json.dumps({"code": "not_ready", "detail": "its index is being opened"})
    page.route(
        SEARCH, lambda route: route.fulfill(status=503, body=problem, headers={"Retry-After": "1"})
    )
    page.goto("/?q=고양이")
    expect(page.get_by_role("alert")).to_contain_text("아직 준비하고 있어요")
    expect(page.get_by_role("alert")).to_contain_text("its index is being opened")
    page.unroute(SEARCH)
    _expect_first(page, "chelsea.png")
    expect(page.locator("#notice")).to_be_hidden()


def test_a_server_that_is_away_can_be_tried_again(visiting: Visiting) -> None:
    visit = visiting()
    visit.expected = "ERR_FAILED"
    page = visit.page
    expect(page.locator(".tile")).to_have_count(7)
    page.route("**/v1/**", lambda route: route.abort())
    page.fill("#text", "고양이")
    expect(page.get_by_role("alert")).to_contain_text("서버에 닿지 않아요")
    page.unroute("**/v1/**")
    page.get_by_role("button", name="다시 시도").click()
    _expect_first(page, "chelsea.png")


def test_a_query_that_is_refused_says_why(visiting: Visiting) -> None:
    visit = visiting(language="en")
    visit.expected = "422"
    body = json.dumps({"code": "invalid_request", "detail": "text: too long"})
    visit.page.route(SEARCH, lambda route: route.fulfill(status=422, body=body))
    visit.page.goto("/?q=x")
    expect(visit.page.get_by_role("alert")).to_contain_text("text: too long")


def test_the_language_is_switched_at_once_and_remembered(visiting: Visiting) -> None:
    page = visiting("/?q=고양이&lang=ko", language="en").page
    _expect_first(page, "chelsea.png")
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("status")).to_contain_text("1 picture ·")
    expect(page.locator("#text")).to_have_attribute("placeholder", "What are you looking for?")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="한국어로 보기").click()
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("lang", "ko")


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


def test_an_address_can_be_shared_and_back_goes_back(visiting: Visiting) -> None:
    page = visiting().page
    page.fill("#text", "커피 한 잔")
    page.keyboard.press("Enter")
    _expect_first(page, "coffee.png")
    page.fill("#text", "로켓")
    page.keyboard.press("Enter")
    _expect_first(page, "rocket.jpg")
    page.go_back()
    _expect_first(page, "coffee.png")
    expect(page.locator("#text")).to_have_value("커피 한 잔")
    page.go_back()
    expect(page.locator("body")).to_have_attribute("data-view", "start")
    expect(page.locator("#text")).to_have_value("")
    page.go_forward()
    page.go_forward()
    _expect_first(page, "rocket.jpg")
    shared = visiting(page.url, language="en").page
    _expect_first(shared, "rocket.jpg")
    expect(shared.locator("#text")).to_have_value("로켓")


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
    _expect_first(page, "chelsea.png")
    expect(page.locator("#text")).to_have_value("고양이")
