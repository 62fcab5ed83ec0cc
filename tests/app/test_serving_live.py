"""What is written is searched, in every process, at once."""

import base64
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.serving import opening
from app.serving.following import ChangeReader
from app.serving.listed import Listed
from app.serving.live_collection import LiveCollection
from app.serving.snapshot import Segments
from indexer.backends.faiss_index import FaissIndex
from indexer.catalog.db import Database
from indexer.catalog.repository import delete_collection
from indexer.live.changes import Changes
from indexer.versions.manifest import Manifest
from tests.app.live import URL, everywhere, found, of, sample, served_version
from tests.app.shop import assert_problem, index, opened, refresh, search
from tests.app.test_serving import hold_still
from tests.indexer.live_rows import Rows
from tests.tiny_encoder import TinyEncoder
from tests.waiting import until


@pytest.fixture
def two(settings: Settings) -> Iterator[tuple[TestClient, TestClient]]:
    """Two servers over one database."""
    with opened(settings) as one, opened(settings) as other:
        yield one, other


def test_what_is_written_is_seen_by_every_server(
    two: tuple[TestClient, TestClient], rows: Rows
) -> None:
    """Without an index, then; nobody says when to look."""
    rows.put({"red": of("red"), "blue": of("blue")})
    everywhere(two, lambda client: found(client, text="빨강")[:1] == ["red"])
    rows.put({"red": of("blue")})
    everywhere(
        two, lambda client: found(client, text="blue", min_relevance=0.99) == ["blue", "red"]
    )
    rows.delete("blue")
    everywhere(two, lambda client: found(client, text="blue") == ["red"])
    assert_problem(two[0].post(URL, json={"image": {"id": "blue"}}), 404, "not_found")


def test_changes_beside_an_index_are_seen_by_every_server(
    two: tuple[TestClient, TestClient],
    settings: Settings,
    photos: Path,
    database: Database,
    data_dir: Path,
) -> None:
    version = index(settings, photos).version
    rows = Rows(database, data_dir)
    everywhere(two, lambda client: served_version(client) == version)
    rows.put({"white": of("white"), "red.png": of("green")})
    rows.patch("blue.png", price=5)
    rows.delete("green.png")
    everywhere(two, lambda client: found(client, text="green", k=1) == ["red.png"])
    everywhere(two, lambda client: "green.png" not in found(client, text="green"))
    answer = two[1].post(URL, json={"text": "파랑", "k": 1, "include": ["attributes"]}).json()
    assert answer["hits"][0]["attributes"] == {"price": 5}
    assert answer["version"] == version, "nothing was indexed"
    assert answer["hits"][0]["relevance"] == 1.0, "measured when the index was built"
    for client in two:
        assert sorted(search(client, image={"id": "white"})) == ["blue.png", "red.png"]
        assert sample(client, "noongil_delta_images") == 2, "white, and red.png as it is"
        assert sample(client, "noongil_index_vectors") == 3


def test_who_wrote_searches_what_it_wrote(client: TestClient, rows: Rows) -> None:
    """At once, not when the follower comes by."""
    hold_still(client)
    serving = client.app_state["serving"]
    for number in range(5):
        rows.put({f"red-{number}": of("red")})
        serving.wrote("shop")
        assert len(search(client, text="red")) == number + 1


def test_many_who_write_at_once_look_together(
    client: TestClient, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_still(client)
    live = client.app_state["serving"]._live
    looks: list[int] = []
    original = live._look_at

    def slow(shop: LiveCollection) -> None:
        looks.append(1)
        sleep(0.05)
        original(shop)

    monkeypatch.setattr(live, "_look_at", slow)
    rows.put({"red": of("red")})
    refresh(client)

    def write(number: int) -> bool:
        rows.put({f"red-{number}": of("red")})
        client.app_state["serving"].wrote("shop")
        image = rows.ids()[f"red-{number}"]
        return live.get("shop").segments.delta.vector_of(image) is not None

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write, range(16)))
    assert 0 < len(looks) < 16


def test_a_restarted_server_answers_as_before(settings: Settings, photos: Path) -> None:
    index(settings, photos)
    database = Database(settings.database_url)
    rows = Rows(database, settings.data_dir)
    rows.put({"crimson": of("crimson"), "blue.png": of("navy")})
    rows.delete("green.png")
    answers = []
    for _ in range(2):
        with opened(settings) as client:
            answers.append(client.post(URL, json={"text": "red"}).json()["hits"])
    database.close()
    assert answers[0] == answers[1]
    assert [hit["id"] for hit in answers[0]] == ["red.png", "crimson", "blue.png"]


def test_scores_are_worth_something_before_there_is_an_index(
    client: TestClient, rows: Rows
) -> None:
    few = {f"shade-{shade}": of(f"shade {shade}") for shade in range(99)}
    rows.put(few | {"red": of("red")})
    until(lambda: len(found(client, text="red", k=100)) == 100)

    serving = client.app_state["serving"]
    until(lambda: serving.get("shop").segments.measured_on == 100)
    hits = client.post(URL, json={"text": "shade 7", "k": 3}).json()["hits"]
    assert hits[0]["relevance"] == 1.0
    assert all(hit["relevance"] > hit["score"] + 0.2 for hit in hits[1:]), "of 100, the best"


def test_a_collection_of_which_much_is_read_holds_up_no_writer_of_another(
    client: TestClient,
    rows: Rows,
    database: Database,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold_still(client)
    other = Rows(database, data_dir, "other")
    refresh(client)
    reading, go_on = threading.Event(), threading.Event()
    read = ChangeReader.catch_up

    def slowly(
        reader: ChangeReader, listed: Listed, segments: Segments
    ) -> tuple[Segments, Changes]:
        if listed.name == "other":
            reading.set()
            assert go_on.wait(30)
        return read(reader, listed, segments)

    monkeypatch.setattr(ChangeReader, "catch_up", slowly)
    serving = client.app_state["serving"]
    other.put({"blue": of("blue")})
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(serving.look)
        assert reading.wait(30)
        rows.put({"red": of("red")})
        serving.wrote("shop")
        assert search(client, text="red") == ["red"]
        assert not looking.done()
        go_on.set()
        looking.result(30)
    assert serving.get("other").segments.delta.count == 1


def test_a_first_image_is_searched_while_something_else_is_being_opened(
    shop: TestClient, settings: Settings, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening takes minutes."""
    hold_still(shop)
    opening_files, go_on = threading.Event(), threading.Event()
    open_files = opening.open_files

    def slowly(folder: Path, manifest: Manifest) -> FaissIndex:
        opening_files.set()
        assert go_on.wait(30)
        return open_files(folder, manifest)

    monkeypatch.setattr(opening, "open_files", slowly)
    index(settings, photos, encoder=TinyEncoder("2"))
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(refresh, shop)
        assert opening_files.wait(30)
        assert shop.post("/v1/collections", json={"name": "new"}).status_code == 201
        answer = shop.put(
            "/v1/collections/new/images/red",
            json={"base64": base64.b64encode((photos / "red.png").read_bytes()).decode()},
        )
        assert answer.status_code == 201, answer.text
        found = shop.post("/v1/collections/new/search", json={"text": "red"})
        assert [hit["id"] for hit in found.json()["hits"]] == ["red"], found.text
        assert not refreshing.done()
        go_on.set()
        refreshing.result(30)


def test_a_name_that_is_given_again_is_the_new_collections(
    client: TestClient, rows: Rows, database: Database, data_dir: Path
) -> None:
    """For who writes to it, without waiting for the follower."""
    hold_still(client)
    rows.put({"red": of("red")})
    refresh(client)
    with database.write() as session:
        delete_collection(session, rows.id)
    again = Rows(database, data_dir)
    again.put({"blue": of("blue")})
    client.app_state["serving"].wrote("shop")
    assert search(client, text="red") == ["blue"]
