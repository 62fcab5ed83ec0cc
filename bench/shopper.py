"""A shopper's visit, driven through a real browser.

python -m bench.shopper PHOTOS [--screenshots folder]

Method: PHOTOS has a folder of pictures for each kind of article. They become a catalogue with
category, brand, price and sale (synthetic but for the category), which is indexed with the starter
and served. Chromium types Hangul as an input method does, narrows down, sorts, asks by picture,
and shares the address. Of each step is printed what the shopper sees, and of the first hits how
many are of the category that was meant; what does not come about ends the visit with an error.
"""

import argparse
import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from bench.processes import noongil

PORT = 8731
ADDRESS = f"http://127.0.0.1:{PORT}"
BRANDS = ("눈길", "해솔", "나래", "Blue Hill")
FIRST = 12
CHEAP = 60_000
_ALL_SHOWN = """() => [...document.querySelectorAll(".tile img")].every((image) =>
    image.complete || image.getBoundingClientRect().top > innerHeight)"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--screenshots", type=Path)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        _shop(Path(name), given.photos),
        _browser() as page,
    ):
        Shopper(page, given.screenshots).visit()


def _catalogue(folder: Path, photos: Path) -> Path:
    """The pictures with what a shop knows of them, always the same."""
    chance = random.Random(1)  # noqa: S311 - prices
    (folder / "photos").mkdir()
    path = folder / "catalogue.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "category", "brand", "price", "sale"])
        for number, picture in enumerate(sorted(photos.rglob("*.jpg"))):
            category = picture.parent.name
            image = shutil.copy(picture, folder / "photos" / f"{category}-{number}.jpg")
            price = chance.randrange(9, 200) * 1_000 - 100
            brand, sale = chance.choice(BRANDS), chance.random() < 0.2
            rows.writerow([Path(image).relative_to(folder), category, brand, price, sale])
    return path


@contextmanager
def _shop(folder: Path, photos: Path) -> Iterator[None]:
    settings = {"NOONGIL_DATA_DIR": str(folder / "data")}
    catalogue = _catalogue(folder, photos)
    indexing = ["index", str(catalogue), "--collection", "shop"]
    subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "app", *indexing], env={**os.environ, **settings}, check=True
    )
    with noongil(["serve", "--port", str(PORT)], ADDRESS, {0, 1}, settings):
        yield


@contextmanager
def _browser() -> Iterator[Page]:
    path = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(
            base_url=ADDRESS, locale="ko-KR", viewport={"width": 1280, "height": 900}
        )
        yield page
        browser.close()


class Shopper:
    def __init__(self, page: Page, screenshots: Path | None) -> None:
        self._page = page
        self._keyboard = page.context.new_cdp_session(page)
        self._screenshots = screenshots
        self._steps = 0

    def visit(self) -> None:
        page = self._page
        page.goto("/?collection=shop")
        self._type_with_an_input_method("신발")
        self._seen("신발, composed syllable by syllable", meant="shoes")
        self._type("tlsqkf")
        expect(page.locator("#repair")).to_contain_text("신발")
        self._seen("tlsqkf, repaired", meant="shoes")
        self._type("원피스 보여줘")
        self._seen("원피스 보여줘", meant="dress")
        page.get_by_role("group", name="brand").get_by_label("눈길").check()
        expect(page.locator(".condition")).to_have_count(1)
        self._seen("of the brand 눈길", meant="dress")
        price = page.get_by_role("group", name="price").get_by_label("까지")
        price.fill(str(CHEAP))
        price.press("Enter")
        expect(page.locator(".condition")).to_have_count(2)
        self._seen(f"up to {CHEAP:,}", meant="dress")
        page.locator("#sort").select_option(index=1)
        self._seen("sorted by the first order of the menu", meant="dress")
        shared = page.url
        page.goto("about:blank")
        page.goto(shared)
        expect(page.locator(".condition")).to_have_count(2)
        self._seen("the same address in another visit", meant="dress")
        page.get_by_role("button", name="모두 지우기").click()
        page.locator("#sort").select_option(index=0)
        self._type("바지")
        page.locator(".tile").first.hover()
        page.locator(".tile").first.locator("[data-by=similar]").click()
        expect(page.locator(".part")).to_have_count(1)
        self._seen("바지, and more like the first", meant="pants")

    def _type_with_an_input_method(self, text: str) -> None:
        expect(self._page.locator("#text")).to_be_focused()
        for syllable in text:
            at_end = {"selectionStart": 1, "selectionEnd": 1}
            self._keyboard.send("Input.imeSetComposition", {"text": syllable, **at_end})
            self._keyboard.send("Input.insertText", {"text": syllable})
        with self._page.expect_response("**/search"):
            self._page.keyboard.press("Enter")

    def _type(self, text: str) -> None:
        self._page.fill("#text", text)
        with self._page.expect_response("**/search"):
            self._page.keyboard.press("Enter")

    def _seen(self, step: str, meant: str) -> None:
        page = self._page
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)  # the answer that came is drawn
        expect(page.locator(".tile").first).to_be_visible()
        names = page.locator(".tile .name").all_inner_texts()[:FIRST]
        right = sum(meant in name for name in names)
        summary = page.locator("#summary").inner_text()
        print(f"{step}: {summary!r}; {right} of the first {len(names)} are {meant}")
        self._steps += 1
        if self._screenshots is not None:
            self._screenshots.mkdir(parents=True, exist_ok=True)
            page.wait_for_function(_ALL_SHOWN)
            page.screenshot(path=self._screenshots / f"{self._steps}.png")


if __name__ == "__main__":
    main()
