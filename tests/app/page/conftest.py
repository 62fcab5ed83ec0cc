"""The pages in a real Chromium, on a real server with real pictures."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import skimage.data
from playwright.sync_api import Browser, sync_playwright

from app.config import Settings
from app.main import create_app
from indexer.catalog import db
from indexer.catalog.db import Database
from indexer.embedding.run import EmbedOptions
from indexer.indexing import Indexing
from indexer.pictures.decode import DecodeLimits
from indexer.progress import Silent
from indexer.sources import source_of
from indexer.writing import IndexingOptions
from models import registry
from models.registry import shared_encoder
from models.types import Encoder
from tests.app.page.stall import lay_out
from tests.app.page.visit import CHROMIUM, HOSTILE, Visiting, served, visits_to
from tests.tiny_encoder import TinyEncoder

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


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The photos' collection is called `photos`; `nothing-yet` has never been indexed."""
    folder = tmp_path_factory.mktemp("photos")
    samples = Path(skimage.data.__file__).parent
    for name in PHOTOS:
        shutil.copy(samples / name, folder)
    shutil.copy(samples / "motorcycle_right.png", folder / HOSTILE)
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), log_level="error")
    _index(settings, folder, "photos", shared_encoder("starter"))
    return settings


def _index(settings: Settings, source: Path, name: str, encoder: Encoder) -> None:
    db.upgrade(settings.database_url)
    database = Database(settings.database_url)
    options = EmbedOptions(DecodeLimits(), threads=2, batch_size=8)
    indexing = Indexing(database, settings.data_dir, IndexingOptions(options))
    found = source_of(str(source), options=settings.source_options())
    indexing.run(name, found, encoder, Silent(), recall=0.95)
    database.close()


@pytest.fixture(scope="package")
def server(indexed: Settings) -> Iterator[str]:
    with served(create_app(indexed)) as address:
        created = httpx.post(f"{address}/v1/collections", json={"name": "nothing-yet"})
        assert created.status_code == 201
        yield address


@pytest.fixture
def visiting(browser: Browser, server: str) -> Iterator[Visiting]:
    with visits_to(browser, server) as visit:
        yield visit


@pytest.fixture(scope="package")
def stall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the collection `stall`, see tests.app.page.stall, which suggests its terms."""
    data = tmp_path_factory.mktemp("data")
    settings = Settings(model="tiny", data_dir=data, log_level="error", refresh_seconds=1)
    _index(settings, lay_out(tmp_path_factory.mktemp("stall")), "stall", TinyEncoder())
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._SCHEMES, "tiny", "tests.tiny_encoder")
        with served(create_app(settings)) as address:
            _wait_for_suggestions(f"{address}/v1/collections/stall/suggest")
            yield address


def _wait_for_suggestions(address: str) -> None:
    deadline = time.monotonic() + 30
    while not httpx.get(address).json()["suggestions"]:
        assert time.monotonic() < deadline, "no terms were read"
        time.sleep(0.05)


@pytest.fixture
def shopping(browser: Browser, stall: str) -> Iterator[Visiting]:
    with visits_to(browser, stall) as visit:
        yield visit
