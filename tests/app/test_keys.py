"""The life of a key: whoever shows it is let in from its making to its end, in every server."""

import asyncio
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import SQLAlchemyError

from app.auth.keyring import Keyring
from app.auth.tables import ApiKey
from app.config import Settings
from indexer.catalog.db import Database
from tests.app.keys import (
    KEYS,
    administered,
    bearer,
    created,
    expire,
    guarded,
    make_key,
    status,
)
from tests.app.shop import assert_problem, opened, take_away_database

FORM = re.compile(r"ng_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})")


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """It looks for keys when one is unknown, or a test says so."""
    with administered(settings) as client:
        yield client


def look(client: TestClient) -> None:
    client.app_state["guard"].keyring.read()


def test_a_key_is_shown_once_and_stored_as_a_digest(client: TestClient, database: Database) -> None:
    new = created(client, name="  눈길 상점 ", requests_per_minute=60)
    form = FORM.fullmatch(new["key"])
    assert form
    assert form[1] == new["id"]
    assert new["name"] == "눈길 상점"
    assert status(client, new["key"]) == 200, "it works at once"
    (listed,) = (key for key in client.get(KEYS).json() if key["id"] == new["id"])
    assert listed == {name: value for name, value in new.items() if name != "key"}
    with database.read() as session:
        stored = session.get_one(ApiKey, new["id"])
    assert form[2] not in repr(vars(stored))
    assert len(stored.secret_sha256) == 64


def test_a_key_ends_at_its_hour_whatever_the_zone_it_was_given_in(
    client: TestClient, settings: Settings
) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    in_seoul = end.astimezone(timezone(timedelta(hours=9)))
    new = created(client, expires_at=in_seoul.isoformat())
    assert datetime.fromisoformat(new["expires_at"]) == end
    (listed,) = (key for key in client.get(KEYS).json() if key["id"] == new["id"])
    assert datetime.fromisoformat(listed["expires_at"]) == end
    assert status(client, new["key"]) == 200
    expire(settings, new["id"])
    look(client)
    assert status(client, new["key"]) == 401


def test_a_revoked_key_stops_working_in_every_server(settings: Settings) -> None:
    with (
        administered(settings) as one,
        administered(settings, refresh_seconds=0.05) as other,
    ):
        new = created(other)
        assert status(one, new["key"]) == 200, "one looks in the database, long before it must"
        assert status(other, new["key"]) == 200
        assert one.delete(f"{KEYS}/{new['id']}").status_code == 204
        assert status(one, new["key"]) == 401
        until = time.monotonic() + 30
        while status(other, new["key"]) != 401:
            assert time.monotonic() < until
        assert_problem(one.delete(f"{KEYS}/{new['id']}"), 404, "not_found")
        assert one.get(KEYS).status_code == other.get(KEYS).status_code == 200


def test_a_rotated_key_has_a_successor_and_a_time_of_grace(
    client: TestClient, settings: Settings
) -> None:
    end = datetime.now(UTC) + timedelta(days=90)
    old = created(client, scope="write", requests_per_minute=7, expires_at=end.isoformat())
    response = client.post(f"{KEYS}/{old['id']}/rotate", json={"grace_hours": 2})
    assert response.status_code == 201
    new = response.json()
    for same in ("name", "scope", "requests_per_minute"):
        assert new[same] == old[same]
    moment = datetime.fromisoformat(new["created_at"])
    assert new["replaces"]["id"] == old["id"]
    assert datetime.fromisoformat(new["replaces"]["expires_at"]) == moment + timedelta(hours=2)
    life = datetime.fromisoformat(old["expires_at"]) - datetime.fromisoformat(old["created_at"])
    assert datetime.fromisoformat(new["expires_at"]) == moment + life
    assert status(client, old["key"]) == status(client, new["key"]) == 200
    expire(settings, old["id"])
    look(client)
    assert (status(client, old["key"]), status(client, new["key"])) == (401, 200)
    again = client.post(f"{KEYS}/{old['id']}/rotate")
    assert "expired" in assert_problem(again, 422, "invalid_request")


def test_rotation_without_a_word_gives_a_day_and_never_more_than_there_was(
    client: TestClient,
) -> None:
    lasting = client.post(f"{KEYS}/{created(client)['id']}/rotate").json()
    grace = datetime.fromisoformat(lasting["replaces"]["expires_at"])
    assert grace == datetime.fromisoformat(lasting["created_at"]) + timedelta(hours=24)
    assert lasting["expires_at"] is None
    end = datetime.now(UTC) + timedelta(hours=1)
    brief = created(client, expires_at=end.isoformat())
    rotated = client.post(f"{KEYS}/{brief['id']}/rotate").json()
    assert datetime.fromisoformat(rotated["replaces"]["expires_at"]) == end
    assert_problem(client.post(f"{KEYS}/nothing/rotate"), 404, "not_found")
    for hours in (-1, 10**6):
        wrong = client.post(f"{KEYS}/{brief['id']}/rotate", json={"grace_hours": hours})
        assert "grace_hours" in assert_problem(wrong, 422, "invalid_request")


def test_guessing_does_not_load_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    stored = Keyring._stored
    monkeypatch.setattr(Keyring, "_stored", lambda ring: looks.append(ring) or stored(ring))
    keyring = Keyring(database)

    async def guess() -> None:
        found = await asyncio.gather(*(keyring.find(f"guess{n}") for n in range(200)))
        assert not any(found)

    async def guess_thrice() -> None:
        await guess()
        assert len(looks) == 1
        began = time.monotonic()
        await guess()
        await guess()
        assert len(looks) == 3
        assert time.monotonic() - began > 0.1, "looks keep a distance"

    asyncio.run(guess_thrice())


def test_keys_that_are_known_outlive_the_database(
    client: TestClient, settings: Settings, database_url: str
) -> None:
    known = created(client)
    assert status(client, known["key"]) == 200
    late = make_key(settings, "read")
    take_away_database(client, database_url)
    with pytest.raises(SQLAlchemyError):
        look(client)
    assert client.get("/metrics", headers=bearer(known["key"])).status_code == 200
    for _ in range(2):
        unknown = client.get("/metrics", headers=bearer(late.key))
        assert_problem(unknown, 503, "catalog_unavailable")


def test_a_server_follows_the_keys_through_an_outage(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stored = Keyring._stored

    def fail(_: Keyring) -> None:
        raise SQLAlchemyError("out")

    with administered(settings, refresh_seconds=0.02) as client:
        new = created(client)
        assert status(client, new["key"]) == 200
        monkeypatch.setattr(Keyring, "_stored", fail)
        until = time.monotonic() + 30
        while "cannot read the keys" not in caplog.text:
            assert time.monotonic() < until
            assert status(client, new["key"]) == 200
        monkeypatch.setattr(Keyring, "_stored", stored)
        expire(settings, new["id"])
        while status(client, new["key"]) != 401:
            assert time.monotonic() < until


def test_keys_can_be_made_before_they_are_asked_for(settings: Settings) -> None:
    with opened(settings) as client:
        first = created(client, scope="admin")
        assert client.delete(f"{KEYS}/{created(client)['id']}").status_code == 204
    with opened(guarded(settings)) as client:
        assert status(client, first["key"]) == 200
        assert_problem(client.get("/v1/collections"), 401, "unauthorized")
