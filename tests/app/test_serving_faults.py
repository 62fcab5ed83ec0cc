"""What is missing, broken, away or too much of one collection is said, and holds up no other."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from app.config import Settings
from app.embedders import Embedders
from app.serving import opening
from app.serving.following import ChangeReader
from app.serving.listed import Listed
from app.serving.snapshot import Segments
from indexer.catalog.db import Database
from indexer.catalog.repository import delete_collection
from indexer.catalog.tables import Collection, Server
from indexer.errors import VersionDamaged
from indexer.live.changes import Changes
from models.types import Embedder
from tests.app.live import URL, found, of, sample, served_version
from tests.app.shop import assert_problem, index, opened, refresh, search
from tests.app.test_serving import hold_still
from tests.indexer.live_rows import Rows
from tests.tiny_encoder import TinyEncoder
from tests.waiting import until


def test_a_collection_waits_for_its_encoder_and_says_so(
    client: TestClient, database: Database, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = threading.Event()
    load = Embedders.of

    def slowly(embedders: Embedders, model: str) -> Embedder:
        if model == "tiny:2":
            assert loaded.wait(30)
        return load(embedders, model)

    monkeypatch.setattr(Embedders, "of", slowly)
    rows = Rows(database, data_dir, encoder=TinyEncoder("2"))
    rows.put({"red": of("red", "2")})
    until(lambda: sample(client, "noongil_delta_images") == 1)
    detail = assert_problem(client.post(URL, json={"text": "red"}), 503, "not_ready")
    assert "its encoder is being loaded" in detail
    rows.put({"blue": of("blue", "2")})
    until(lambda: sample(client, "noongil_delta_images") == 2)
    loaded.set()
    until(lambda: found(client, text="red") == ["red", "blue"])


def test_an_encoder_that_cannot_be_loaded_is_named(
    client: TestClient, database: Database, data_dir: Path
) -> None:
    encoder = TinyEncoder("3")
    rows = Rows(database, data_dir, encoder=encoder)
    refresh(client)
    assert client.get("/readyz").status_code == 200, "there is nothing to search yet"
    rows.put({"red": of("red")})
    refresh(client)
    for response in (client.get("/readyz"), client.post(URL, json={"text": "red"})):
        assert "unknown model 'tiny:3'" in assert_problem(response, 503, "not_ready")


def test_what_does_not_fit_is_counted_and_said_once(
    settings: Settings, database: Database, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = Rows(database, data_dir)
    small = settings.model_copy(update={"delta_max_images": 3})
    with caplog.at_level(logging.WARNING), opened(small) as client:
        for number in range(4):
            rows.put({f"run-{number}-{n}": of("red") for n in range(2)}, "folder:photos")
        until(lambda: sample(client, "noongil_delta_behind") == 5)
        rows.put({"api": of("blue")})
        until(lambda: found(client, text="blue", k=1) == ["api"])
        assert sample(client, "noongil_delta_images") == 3
        assert sample(client, "noongil_delta_behind") == 6
    said = [record for record in caplog.records if "more changed" in record.getMessage()]
    assert len(said) == 1


def servers(database: Database) -> int:
    with database.read() as session:
        return session.scalars(select(func.count()).select_from(Server)).one()


def test_a_server_is_known_as_long_as_it_is_there(settings: Settings, database: Database) -> None:
    with opened(settings) as client:
        until(lambda: servers(database) == 1)
        with database.write() as session:
            session.delete(session.scalars(select(Server)).one())
        client.app_state["serving"]._announcing.wake()
        until(lambda: servers(database) == 1)
    assert servers(database) == 0


def test_one_broken_collection_holds_up_no_other(
    client: TestClient, database: Database, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Rows(database, data_dir, "broken")
    with database.write() as session:
        session.get_one(Collection, broken.id).dim = -1
    with caplog.at_level(logging.ERROR):
        Rows(database, data_dir).put({"red": of("red")})
        until(lambda: found(client, text="red") == ["red"])
    assert "cannot follow broken" in caplog.text


def test_a_server_goes_on_while_the_database_is_away_and_catches_up(
    shop: TestClient, database: Database, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Rows(database, data_dir)
    live = shop.app_state["serving"]._live
    with monkeypatch.context() as patched:
        patched.setattr(live, "_look", lambda: 1 / 0)
        rows.put({"white": of("white")})
        before = monotonic()
        while monotonic() < before + 0.2:
            assert "white" not in search(shop, text="white")
    rows.put({"black": of("black")})
    until(lambda: {"white", "black"} <= {*found(shop, text="white")})


def test_a_next_version_that_cannot_be_followed_hides_no_write(
    shop: TestClient,
    settings: Settings,
    photos: Path,
    database: Database,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    active = shop.app_state["serving"].get("shop").segments.version_id
    newer = index(settings, photos, encoder=TinyEncoder("2")).version
    rows = Rows(database, data_dir)
    until(lambda: served_version(shop) == newer)
    hold_still(shop)
    rows.switch(next_version_id=active)
    refresh(shop)
    read = ChangeReader.catch_up

    def failing(
        reader: ChangeReader, listed: Listed, segments: Segments
    ) -> tuple[Segments, Changes]:
        if segments.version_id == active:
            raise ValueError("no such dimension")
        return read(reader, listed, segments)

    monkeypatch.setattr(ChangeReader, "catch_up", failing)
    rows.put({"white": of("white", "2")}, fingerprint=TinyEncoder("2").spec.fingerprint)
    shop.app_state["serving"].wrote("shop")
    assert search(shop, text="white", k=1) == ["white"]


def test_a_search_under_way_when_its_collection_is_deleted_says_that_it_is_gone(
    shop: TestClient, database: Database
) -> None:
    """And does not ask the index for more and more images of which none is left."""
    hold_still(shop)
    snapshot = shop.app_state["serving"].get("shop")
    with database.write() as session:
        delete_collection(session, snapshot.id)
    assert_problem(shop.post(URL, json={"text": "red"}), 404, "unknown_collection")


def test_a_server_is_known_before_it_has_opened_anything(
    shop: TestClient, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A switch meanwhile waits for it."""
    hold_still(shop)
    opening_files, go_on = threading.Event(), threading.Event()

    def never(folder: Path, _: object) -> None:
        opening_files.set()
        assert go_on.wait(30)
        raise VersionDamaged(folder.name)

    monkeypatch.setattr(opening, "open_files", never)

    def serve() -> None:
        with opened(settings):
            pass

    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(serve)
        assert opening_files.wait(30)
        until(lambda: servers(database) == 1)
        go_on.set()
        serving.result(30)
    assert servers(database) == 0
