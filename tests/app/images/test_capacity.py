"""Writes where memory, the disk or the database do not allow them."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.config import Settings
from app.errors import AtCapacity
from app.images.admission import Admission
from app.images.intake import Intake, NewImage
from indexer.catalog.tables import Collection
from indexer.live.writes import Put
from tests.app.shop import (
    assert_problem,
    image_url,
    take_away_database,
)
from tests.app.uploads import png, put_file

RED, BLUE = png("red"), png("blue")


def test_a_put_that_its_collection_did_not_outlive_leaves_no_file(
    shop: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Intake._prepare

    def overtaken(intake: Intake, *given: Any) -> Put:
        assert shop.delete("/v1/collections/shop").status_code == 204
        return prepare(intake, *given)

    # As if it had looked just before.
    monkeypatch.setattr(Intake, "_current", lambda _, owner: owner)

    monkeypatch.setattr(Intake, "_prepare", overtaken)
    assert_problem(put_file(shop, "a", RED), 404, "unknown_collection")
    assert not list(settings.data_dir.glob("collections/*"))


def test_an_outage_of_the_database_is_said(shop: TestClient, database_url: str) -> None:
    take_away_database(shop, database_url)
    for answer in (
        put_file(shop, "a", RED),
        shop.patch(image_url("a"), json={"attributes": {}}),
        shop.delete(image_url("a")),
    ):
        assert_problem(answer, 503, "catalog_unavailable")


def test_a_disk_that_takes_no_file_is_said(shop: TestClient, settings: Settings) -> None:
    folder = collection_folder_of_new(shop, settings)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pictures").write_bytes(b"in the way")
    assert_problem(put_file(shop, "a", RED), 503, "storage_failed")
    assert_problem(shop.get(image_url("a")), 404, "not_found")


def collection_folder_of_new(client: TestClient, settings: Settings) -> Path:
    with client.app_state["database"].read() as session:
        folder = session.scalars(select(Collection.folder)).one()
    return settings.data_dir / "collections" / folder


def test_more_than_memory_allows_waits_for_its_turn(shop: TestClient) -> None:
    shop.app_state["writer"].intake.reader.admission._max_bytes = 2 * len(RED)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: put_file(shop, str(n), RED), range(32)))
    assert {answer.status_code for answer in answers} == {201}


def test_who_goes_keeps_his_place_until_the_thread_is_done_with_his_picture(
    shop: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else clients that come and go fill the memory with pictures that nobody counts."""
    intake: Intake = shop.app_state["writer"].intake
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_: Any) -> None:
        begun.set()
        assert go_on.wait(60)

    monkeypatch.setattr(Intake, "_prepare", slow)

    async def put() -> None:
        async with intake.reader.admission.holding(5):
            await intake.prepare(Collection(), NewImage("a", "", b"", None))

    async def scenario() -> None:
        task = asyncio.create_task(put())
        await asyncio.to_thread(begun.wait, 60)
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert intake.reader.admission._bytes == 5
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert intake.reader.admission._bytes == 0

    asyncio.run(scenario())


def test_whoever_waits_too_long_is_told_to_come_back(shop: TestClient) -> None:
    admission = shop.app_state["writer"].intake.reader.admission
    admission._max_bytes, admission._patience = 1, 0.05
    admission._bytes = 1
    assert_problem(put_file(shop, "a", RED), 503, "overloaded")
    admission._bytes = 0
    assert put_file(shop, "a", RED).status_code == 201


def test_admission_lets_in_by_turns_and_loses_no_room() -> None:
    async def scenario() -> None:
        admission = Admission(10, 0.05)
        first, second = await admission.enter(6), await admission.enter(4)
        late = asyncio.create_task(admission.enter(5))
        small = asyncio.create_task(admission.enter(1))
        await asyncio.sleep(0)
        assert not late.done()
        assert not small.done(), "nobody overtakes"
        admission.leave(second)
        with pytest.raises(AtCapacity):
            async with admission.holding(1):
                raise AssertionError
        late.cancel()
        await asyncio.wait([late])
        assert (await small).size == 1, "who gave up holds up nobody"
        admission.resize(first, 0)
        admission.leave(await small)
        async with admission.holding(1000):
            assert admission._bytes == 1000, "alone it may be of any size"
        assert admission._bytes == 0

    asyncio.run(scenario())
