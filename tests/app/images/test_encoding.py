"""The encoder of a write: once a content, and the one that the collection has."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from app.config import Settings
from app.images.intake import Intake
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection, Embedding
from indexer.live.writes import Put
from tests.app.shop import (
    assert_problem,
    collection_folder,
    image_url,
)
from tests.app.uploads import png, put_file
from tests.tiny_encoder import TinyEncoder

RED, BLUE = png("red"), png("blue")


def test_the_same_content_is_encoded_once(
    shop: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = TinyEncoder.encode_pixels

    def counted(encoder: TinyEncoder, batch: Any) -> Any:
        encoded.append(len(batch))
        return encode(encoder, batch)

    monkeypatch.setattr(TinyEncoder, "encode_pixels", counted)
    for key in ("a", "b", "a"):
        put_file(shop, key, RED)
    assert encoded == [1]
    assert len([*collection_folder(settings).pictures.glob("*/*")]) == 1


def use_model(settings: Settings, model: str, fingerprint: str) -> None:
    """As a reindex with another model does at its end."""
    database = Database(settings.database_url)
    with database.write() as session:
        session.execute(update(Collection).values(model=model, encoder_fingerprint=fingerprint))
    database.close()


def test_a_picture_is_encoded_again_where_the_model_changed_meanwhile(
    shop: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Intake._prepare
    second = TinyEncoder("2").spec.fingerprint

    def overtaken(intake: Intake, *given: Any) -> Put:
        prepared = prepare(intake, *given)
        use_model(settings, "tiny:2", second)
        return prepared

    monkeypatch.setattr(Intake, "_prepare", overtaken)
    assert put_file(shop, "a", RED).status_code == 201
    with shop.app_state["database"].read() as session:
        rows = session.scalars(select(Embedding.encoder_fingerprint)).all()
    assert rows == [second]


def test_a_model_that_changes_all_the_time_is_said(
    shop: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Intake._prepare
    editions = iter([("tiny:2", "2"), ("tiny", "1")] * 9)

    def overtaken(intake: Intake, *given: Any) -> Put:
        prepared = prepare(intake, *given)
        model, edition = next(editions)
        use_model(settings, model, TinyEncoder(edition).spec.fingerprint)
        return prepared

    monkeypatch.setattr(Intake, "_prepare", overtaken)
    assert_problem(put_file(shop, "a", RED), 503, "not_ready")
    assert_problem(shop.get(image_url("a")), 404, "not_found")


def test_another_edition_of_the_model_writes_nothing(shop: TestClient, settings: Settings) -> None:
    put_file(shop, "a", RED)
    use_model(settings, "tiny", "0" * 64)
    assert "reindex" in assert_problem(put_file(shop, "b", BLUE), 503, "not_ready")
    assert shop.patch(image_url("a"), json={"attributes": {"n": 1}}).status_code == 200
    assert shop.delete(image_url("a")).status_code == 204
