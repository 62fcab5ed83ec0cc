"""A reader's browser, and where it may go."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, ViewportSize, expect

_NAMES = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
"""The shell first: it draws no window, and takes half of the time."""
BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH"),
]
HOSTILE = "<img src=x onerror=\"document.title='pwned'\">.png"
SEARCH = "**/v1/collections/*/search"


class Visit:
    """Anything that the browser complains of, and any other host, fails the test."""

    def __init__(self, browser: Browser, server: str, language: str, *, phone: bool) -> None:
        size = ViewportSize(width=390 if phone else 1200, height=800)
        self._context = browser.new_context(
            base_url=server, locale=language, viewport=size, has_touch=phone, is_mobile=phone
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
        if not url.startswith((self._server, f"blob:{self._server}")):
            self.elsewhere.append(url)
        if url.endswith("/search") and body:
            self.searched.append(json.loads(body))

    @property
    def texts(self) -> list[object]:
        """The texts that were searched for; the opening page's own search is not one."""
        return [asked["text"] for asked in self.searched if "text" in asked and asked["k"] == 60]


Visiting = Callable[..., Visit]


@contextmanager
def visits_to(browser: Browser, server: str) -> Iterator[Visiting]:
    visits: list[Visit] = []

    def visit(address: str = "/", language: str = "ko-KR", *, phone: bool = False) -> Visit:
        visits.append(Visit(browser, server, language, phone=phone))
        visits[-1].page.goto(address)
        return visits[-1]

    yield visit
    for one in visits:
        one.close()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    config = uvicorn.Config(app, port=0, log_level="error", ws="none", timeout_graceful_shutdown=1)
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


def expect_first(page: Page, name: str) -> None:
    expect(page.locator("#close-hits .name").first).to_have_text(name)
