"""What tests of living collections share: vectors, answers, what a server has open."""

from collections.abc import Callable

import numpy as np
from fastapi.testclient import TestClient
from sqlalchemy import select

from indexer.catalog.db import Database
from indexer.catalog.tables import IndexVersion, OpenedVersion
from tests.indexer.live_rows import Vector
from tests.tiny_encoder import TinyEncoder
from tests.waiting import until

URL = "/v1/collections/shop/search"


def of(colour: str, edition: str = "1") -> Vector:
    """What an encoder makes of a picture of one colour."""
    encoder = TinyEncoder(edition)
    return encoder.encode_tokens(encoder.tokenize([colour]))[0].astype(np.float16)


def found(client: TestClient, **request: object) -> list[str]:
    """The ids of an answer; none where it is not there yet."""
    response = client.post(URL, json=request)
    return [hit["id"] for hit in response.json()["hits"]] if response.status_code == 200 else []


def everywhere(clients: tuple[TestClient, ...], condition: Callable[[TestClient], bool]) -> None:
    for client in clients:
        until(lambda client=client: condition(client))


def sample(client: TestClient, name: str) -> float | None:
    value: float | None = client.app_state["metrics"].registry.get_sample_value(
        name, {"collection": "shop"}
    )
    return value


def served_version(client: TestClient) -> str:
    return str(client.post(URL, json={"text": "red"}).json()["version"])


def opened_by_servers(database: Database) -> set[int]:
    with database.read() as session:
        return {*session.scalars(select(OpenedVersion.version_id))}


def name_of(database: Database, version_id: int) -> str:
    with database.read() as session:
        return session.get_one(IndexVersion, version_id).name
