"""Another version, another encoder: opened beforehand, switched to in between two searches."""

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.config import Settings
from app.embedders import Embedders
from app.serving import opening
from indexer.catalog.db import Database
from indexer.catalog.tables import IndexVersion
from models.types import Embedder, Embeddings
from tests.app.live import URL, found, name_of, of, opened_by_servers, served_version
from tests.app.shop import index, opened, search
from tests.indexer.live_rows import Rows
from tests.tiny_encoder import TinyEncoder
from tests.waiting import until


class Rolled:
    """Editions of the tiny encoder whose vectors have nothing to do with each other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for half in ("encode_tokens", "encode_pixels"):
            original = getattr(TinyEncoder, half)
            monkeypatch.setattr(TinyEncoder, half, self._rolled(original))

    @staticmethod
    def _rolled(
        original: Callable[[TinyEncoder, object], Embeddings],
    ) -> Callable[[TinyEncoder, object], Embeddings]:
        def encode(encoder: TinyEncoder, batch: object) -> Embeddings:
            rows = original(encoder, batch)
            return np.roll(rows, 1, axis=1) if encoder.spec.id == "tiny:2" else rows

        return encode


def test_a_model_changes_under_load_and_no_answer_mixes_two(
    settings: Settings, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across encoders a picture of red and the word are 0.6 alike, within one they are the same."""
    Rolled(monkeypatch)
    index(settings, photos)
    answers: list[tuple[int, str, str, float]] = []
    stop = threading.Event()
    with opened(settings) as client, ThreadPoolExecutor(3) as pool:

        def keep_searching(k: int) -> None:
            while not stop.is_set():
                response = client.post(URL, json={"text": "red", "k": k})
                body = response.json()
                best = body["hits"][0] if response.status_code == 200 else {}
                answers.append(
                    (response.status_code, body.get("version"), best.get("id"), best.get("score"))
                )

        searching = [pool.submit(keep_searching, k) for k in (1, 2, 101)]
        try:
            versions = [served_version(client)]
            for encoder in (TinyEncoder("2"), TinyEncoder("1"), TinyEncoder("2")):
                before = len(answers)
                versions.append(str(index(settings, photos, encoder=encoder).version))
                until(lambda before=before: answers[-1][1] == versions[-1] != answers[before])
        finally:
            stop.set()
        for future in searching:
            future.result()
    assert {status for status, _, _, _ in answers} == {200}
    assert {version for _, version, _, _ in answers} == {*versions}
    assert {key for _, _, key, _ in answers} == {"red.png"}
    assert min(score for _, _, _, score in answers) > 0.999


@pytest.fixture
def versions(settings: Settings, photos: Path, database: Database) -> list[int]:
    """Ids of one by `tiny`, which is active, and one by `tiny:2`."""
    index(settings, photos, encoder=TinyEncoder("2"))
    index(settings, photos)
    with database.read() as session:
        found = session.scalars(select(IndexVersion).order_by(IndexVersion.id)).all()
    return [version.id for version in reversed(found)]


def test_a_version_is_opened_beforehand_and_writes_are_seen_meanwhile(
    settings: Settings,
    versions: list[int],
    database: Database,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = Rows(database, data_dir)
    loaded = threading.Event()
    load = Embedders.of

    def slowly(embedders: Embedders, model: str) -> Embedder:
        if model == "tiny:2":
            assert loaded.wait(30)
        return load(embedders, model)

    with opened(settings) as client:
        monkeypatch.setattr(Embedders, "of", slowly)
        rows.switch(next_version_id=versions[1])
        rows.put({"white": of("white")})
        until(lambda: found(client, text="white", k=1) == ["white"])
        rows.embed({"white": of("white", "2")}, TinyEncoder("2").spec.fingerprint)
        loaded.set()
        until(lambda: opened_by_servers(database) == {*versions})
        assert served_version(client) != name_of(database, versions[1])
        opens: list[Path] = []
        monkeypatch.setattr(opening, "open_files", lambda folder, _: opens.append(folder))
        spec = TinyEncoder("2").spec
        rows.switch(
            active_version_id=versions[1],
            next_version_id=None,
            encoder_fingerprint=spec.fingerprint,
            model=spec.id,
        )
        until(lambda: served_version(client) == name_of(database, versions[1]))
        assert opens == []
        assert found(client, text="white", k=1) == ["white"]


def test_what_is_embedded_after_it_was_looked_at_is_there_at_the_switch(
    settings: Settings, versions: list[int], database: Database, data_dir: Path
) -> None:
    """Embedding changes no image: there is no number to follow."""
    rows = Rows(database, data_dir)
    second = TinyEncoder("2").spec
    with opened(settings) as client:
        rows.put({"white": of("white")})
        rows.switch(next_version_id=versions[1])
        until(lambda: opened_by_servers(database) == {*versions})
        rows.embed({"white": of("white", "2")}, second.fingerprint)
        rows.switch(active_version_id=versions[1], encoder_fingerprint=second.fingerprint)
        until(lambda: served_version(client) == name_of(database, versions[1]))
        assert found(client, text="white", k=1) == ["white"]


def test_a_version_that_was_let_go_is_out_of_memory_at_once(
    shop: TestClient, settings: Settings, photos: Path
) -> None:
    """A cycle would keep it until the garbage collector comes, which a server spares."""
    search(shop, text="red")
    search(shop, image={"id": "red.png"})
    before = weakref.ref(shop.app_state["serving"].get("shop").segments.version.index)
    gc.disable()
    try:
        version = index(settings, photos, encoder=TinyEncoder("2")).version
        until(lambda: served_version(shop) == version)
        until(lambda: before() is None)
    finally:
        gc.enable()
