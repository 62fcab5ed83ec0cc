"""Queries with prompt templates never meet a version that was made without, nor the reverse."""

from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.embedders import encoder_options
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.versions.manifest import read_manifest
from models.encoding import encode_texts
from models.registry import load_encoder
from models.types import Encoder
from tests.app.shop import assert_problem, collection_folder, index, opened, paint
from tests.tiny_encoder import TinyEncoder

SEARCH = "/v1/collections/shop/search"


@pytest.fixture
def templated(settings: Settings) -> Settings:
    return Settings(**settings.model_dump() | {"prompt_templates": "on"})


def encoder_for(settings: Settings) -> Encoder:
    """As commands and jobs load it."""
    return load_encoder(settings.model, encoder_options(settings))


def index_for(settings: Settings, folder: Path) -> None:
    index(settings, folder, encoder=encoder_for(settings))


def search(client: TestClient, text: str) -> dict[str, float]:
    response = client.post(SEARCH, json={"text": text})
    assert response.status_code == 200, response.text
    return {hit["id"]: hit["score"] for hit in response.json()["hits"]}


@pytest.mark.parametrize("indexed_with", ["off", "on"])
def test_a_version_is_refused_queries_that_it_was_not_measured_with(
    settings: Settings, photos: Path, indexed_with: str
) -> None:
    of = {
        choice: Settings(**settings.model_dump() | {"prompt_templates": choice})
        for choice in ("off", "on")
    }
    served_with = "on" if indexed_with == "off" else "off"
    index_for(of[indexed_with], photos)
    with opened(of[served_with]) as client:
        detail = assert_problem(client.post(SEARCH, json={"text": "red"}), 503, "not_ready")
        assert "another edition of tiny: reindex" in detail
        index_for(of[served_with], photos)
        client.app_state["serving"].refresh()
        assert len(search(client, "red")) == 3


def test_searches_ask_as_an_evaluation_does(templated: Settings, photos: Path) -> None:
    index_for(templated, photos)
    red = TinyEncoder().encode_pixels([np.full((8, 8, 3), (255, 0, 0), np.uint8)])[0]
    for text in ("빨강", "red"):
        expected = encode_texts(encoder_for(templated), [text])[0] @ red
        with opened(templated) as client:
            assert search(client, text)["red.png"] == pytest.approx(expected, abs=1e-3)
        assert expected < 0.99, "the templates were used"


def test_relevance_is_measured_with_templates_too(
    settings: Settings, templated: Settings, tmp_path: Path
) -> None:
    for shade in range(0, 240, 12):
        paint(tmp_path / "shades" / f"{shade}.png", f"rgb({shade},{255 - shade},9)")
    backgrounds = []
    for one in (settings, templated):
        index_for(one, tmp_path / "shades")
        database = Database(one.database_url)
        with database.read() as session:
            owner = repository.collection(session, "shop")
            assert owner.active_version is not None
            name = owner.active_version.name
        database.close()
        measured = read_manifest(collection_folder(one).version(name)).backgrounds
        assert measured is not None
        backgrounds.append(measured)
    plain, prompted = backgrounds
    assert plain.image == prompted.image, "pictures are where they were"
    assert plain.text != prompted.text
