"""Both pages on a server that asks for keys, with a worker that does the jobs."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.config import Settings
from app.jobs.stop import Stop
from app.main import create_app
from indexer.catalog import db
from tests.app.jobs.workers import worker_of
from tests.app.keys import make_key
from tests.app.page.visit import BROWSER, Visiting, served, visits_to
from tests.app.shop import index, paint

pytestmark = BROWSER

IS_GONE = """address => new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve(false);
    image.onerror = () => resolve(true);
    image.src = address;
})"""
"""A picture that is shown needs its address no more, and would be kept in memory by it."""


@pytest.fixture
def settings(tmp_path: Path, photos: Path) -> Settings:
    """The collection `shop` holds red.png, green.png, blue.png."""
    settings = Settings(model="tiny", data_dir=tmp_path / "data", auth="on", log_level="error")
    db.upgrade(settings.database_url)
    index(settings, photos)
    return settings


@pytest.fixture
def visiting(browser: Browser, settings: Settings) -> Iterator[Visiting]:
    with served(create_app(settings)) as server, visits_to(browser, server) as visit:
        yield visit


@contextmanager
def _working(settings: Settings) -> Iterator[None]:
    stop = Stop()

    def work() -> None:
        with worker_of(settings, stop) as worker:
            worker.run()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.is_set = True
        thread.join()


def _enter(page: Page, key: str) -> None:
    page.get_by_role("dialog").locator("input").fill(key)
    page.keyboard.press("Enter")


def test_pictures_are_shown_to_who_has_a_key(visiting: Visiting, settings: Settings) -> None:
    visit = visiting("/", language="en")
    visit.expected = "Failed to load resource"
    page = visit.page
    _enter(page, make_key(settings, "read").key)
    expect(page.locator(".tile.is-loaded")).to_have_count(3)
    sources = page.locator(".tile img").evaluate_all("images => images.map(({ src }) => src)")
    assert all(source.startswith("blob:") for source in sources)
    page.locator(".picture").first.click()
    viewer = page.get_by_role("dialog", name="Larger view")
    expect(viewer.locator("dl")).to_contain_text("PNG")
    picture = viewer.locator("img")
    expect(picture).to_have_js_property("complete", value=True)
    assert picture.evaluate("image => image.naturalWidth") > 0
    viewer.get_by_role("button", name="Similar pictures").click()
    expect(page.locator(".part img")).to_have_attribute("src", re.compile("^blob:"))
    assert page.evaluate(IS_GONE, sources[0])
    page.get_by_role("link", name="Admin").click()
    expect(page.get_by_role("alert")).to_contain_text("scope admin")


def test_a_reindex_and_a_rollback_in_earnest(
    visiting: Visiting, settings: Settings, photos: Path
) -> None:
    visit = visiting("/admin?collection=shop", language="en")
    visit.expected = "401"
    page = visit.page
    _enter(page, make_key(settings, "admin").key)
    rows = page.locator("#versions tbody tr")
    expect(rows).to_have_count(1)
    first = rows.get_by_role("rowheader").inner_text()
    paint(photos / "yellow.png", "yellow")
    with _working(settings):
        page.get_by_role("button", name="Reindex").click()
        expect(page.locator("#history li")).to_contain_text("1 embedded", timeout=60_000)
    expect(rows).to_have_count(2)
    expect(page.locator("#facts")).to_contain_text("Indexed4")
    old = page.get_by_role("row", name=first)
    old.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.locator("#message")).to_have_text(f"Version {first} answers now.", timeout=60_000)
    expect(old).to_contain_text("In use")
