"""Keys for tests, and calls that show them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
from fastapi.testclient import TestClient

from app.auth import service
from app.auth.schemas import CreatedKey, NewKey, ScopeName
from app.auth.tables import ApiKey
from app.config import Settings
from indexer.catalog.db import Database
from indexer.catalog.tables import now
from tests.app.shop import opened

KEYS = "/v1/admin/keys"


def guarded(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update={"auth": "on", **changes})


@contextmanager
def administered(settings: Settings, **changes: object) -> Iterator[TestClient]:
    """A server that asks for keys, called with one of an administrator."""
    admin = make_key(settings, "admin")
    with opened(guarded(settings, **changes)) as client:
        client.headers.update(bearer(admin))
        yield client


def make_key(
    settings: Settings, scope: ScopeName, requests_per_minute: int | None = None
) -> CreatedKey:
    """As the command line makes one: beside the servers, in their database."""
    database = Database(settings.database_url)
    try:
        new = NewKey(name=f"test {scope}", scope=scope, requests_per_minute=requests_per_minute)
        return service.create(database, new)
    finally:
        database.close()


def created(client: httpx.Client, **new: object) -> dict[str, str]:
    response = client.post(KEYS, json={"name": "shop", "scope": "read", **new})
    assert response.status_code == 201, response.text
    return dict(response.json())


def expire(settings: Settings, key_id: str) -> None:
    """Let the key's time be over."""
    database = Database(settings.database_url)
    try:
        with database.write() as session:
            session.get_one(ApiKey, key_id).expires_at = now() - timedelta(seconds=1)
    finally:
        database.close()


def bearer(key: str | CreatedKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {key if isinstance(key, str) else key.key}"}


def status(client: httpx.Client, key: str) -> int:
    """Of a call with that key, for which any scope will do."""
    return client.get("/v1/collections", headers=bearer(key)).status_code
