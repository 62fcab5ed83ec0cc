"""A collection that the API writes gets another model, and goes back."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy.orm import Session

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import API_SOURCE, Collection, Embedding
from indexer.catalog.tables import Image as ImageRow
from indexer.errors import CollectionMixed
from indexer.indexing import Indexing
from indexer.indexing_run import IndexSummary
from indexer.layout import CollectionFolder
from indexer.live.picture_store import PictureStore
from indexer.progress import Silent
from models.encoding import encode_images
from tests.indexer.runs import activate, active, found, run
from tests.tiny_encoder import TinyEncoder

OTHER = TinyEncoder("2")

Put = Callable[..., None]


@pytest.fixture
def put(database: Database, data_dir: Path, tmp_path: Path) -> Put:
    """As the API does: the file, then the row and the embedding of the encoder that serves."""

    def put_image(key: str, colour: str, encoder: TinyEncoder) -> None:
        path = tmp_path / "put.png"
        Image.new("RGB", (20, 20), colour).save(path)
        data = path.read_bytes()
        content_hash = hashlib.sha256(data).hexdigest()
        with Image.open(path) as picture:
            vector = encode_images(encoder, [picture])[0]
        with database.write() as session:
            owner = repository.collection(session, "shop")
            PictureStore(CollectionFolder.of(data_dir, owner).pictures).put(content_hash, data)
            _write(session, owner, key, content_hash, vector)

    return put_image


def _write(
    session: Session,
    owner: Collection,
    key: str,
    content_hash: str,
    vector: NDArray[np.float32],
) -> None:
    number = repository.bump_change_number(session, owner.id)
    old = repository.image(session, owner.id, key)
    values = {
        "source_id": repository.source(session, owner.id, API_SOURCE).id,
        "uri": API_SOURCE + key,
        "content_hash": content_hash,
        "file_size": 1,
        "format": "PNG",
        "width": 20,
        "height": 20,
        "change_number": number,
    }
    if old is None:
        session.add(ImageRow(collection_id=owner.id, key=key, **values))
    else:
        for name, value in values.items():
            setattr(old, name, value)
    session.merge(
        Embedding(
            collection_id=owner.id,
            content_hash=content_hash,
            encoder_fingerprint=owner.encoder_fingerprint,
            vector=vector.astype("<f2").tobytes(),
        )
    )


def reindex(indexing: Indexing, encoder: TinyEncoder) -> IndexSummary:
    return indexing.reindex("shop", encoder, Silent(), sources=[])


def test_what_the_api_put_moves_into_the_index(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    put: Put,
    database: Database,
    data_dir: Path,
) -> None:
    run(indexing, photos, encoder)
    put("new", "white", encoder)
    summary = reindex(indexing, encoder)
    assert (summary.total, summary.images.embedded, summary.published) == (4, 0, True)
    assert found(database, data_dir, encoder, "white") == "new"
    with database.read() as session:
        assert session.query(Embedding).filter(Embedding.vector.is_not(None)).count() == 0
    assert not reindex(indexing, encoder).published


def test_a_run_over_a_folder_leaves_the_apis_images_alone(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    put: Put,
    database: Database,
    data_dir: Path,
) -> None:
    run(indexing, photos, encoder)
    put("red.png", "white", encoder)
    put("new", "black", encoder)
    (photos / "green.png").unlink()
    summary = run(indexing, photos, encoder, sole_source=True)
    assert summary.rejected == {"duplicate_key": 1}
    with database.read() as session:
        keys = {row.key: row.uri for row in session.query(ImageRow)}
    assert set(keys) == {"red.png", "blue.png", "new"}
    assert keys["red.png"].startswith(API_SOURCE)
    assert active(database, data_dir).count == 3


def test_another_model_embeds_all_and_takes_everything_along(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    put: Put,
    database: Database,
    data_dir: Path,
) -> None:
    run(indexing, photos, encoder)
    put("new", "white", encoder)
    summary = reindex(indexing, OTHER)
    assert (summary.images.embedded, summary.total) == (4, 4)
    assert found(database, data_dir, OTHER, "white") == "new"
    with database.read() as session:
        owner = repository.collection(session, "shop")
    assert (owner.model, owner.encoder_fingerprint) == (OTHER.spec.id, OTHER.spec.fingerprint)


def test_what_is_written_while_the_index_is_built_has_the_new_models_embedding(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    put: Put,
    database: Database,
) -> None:
    run(indexing, photos, encoder)

    class Writing(Silent):
        def start(self, stage: str, total: int | None) -> None:  # noqa: ARG002
            colours = {"gather": "white", "verify": "black", "switch": "yellow"}
            if stage in colours:
                put(stage, colours[stage], encoder)

    indexing.reindex("shop", OTHER, Writing(), sources=[])
    with database.read() as session:
        hashes = {row.key: row.content_hash for row in session.query(ImageRow)}
        embedded = {
            row.content_hash
            for row in session.query(Embedding).filter_by(
                encoder_fingerprint=OTHER.spec.fingerprint
            )
        }
    assert len(hashes) == 6
    assert set(hashes.values()) <= embedded


def test_what_is_written_when_all_else_is_embedded_is_in_the_index_or_beside_it(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    put: Put,
    database: Database,
    data_dir: Path,
) -> None:
    run(indexing, photos, encoder)

    class Writing(Silent):
        stage = ""

        def start(self, stage: str, total: int | None) -> None:  # noqa: ARG002
            self.stage = stage

        def advance(self, steps: int = 1) -> None:
            if self.stage == "catch up" and steps:
                put("late", "white", encoder)

    indexing.reindex("shop", OTHER, Writing(), sources=[])
    with database.read() as session:
        owner = repository.collection(session, "shop")
        late = repository.image(session, owner.id, "late")
        assert late is not None
        assert owner.active_version is not None
        is_beside = late.change_number > owner.active_version.change_number
    assert is_beside or late.id in active(database, data_dir).ids


def test_a_rollback_takes_along_what_was_written_since(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    put: Put,
    database: Database,
    data_dir: Path,
) -> None:
    first = run(indexing, photos, encoder).version
    reindex(indexing, OTHER)
    assert first is not None
    assert indexing.can_activate_at_once("shop", first)
    put("new", "white", OTHER)
    assert not indexing.can_activate_at_once("shop", first)
    activate(indexing, first, encoder)
    assert active(database, data_dir).count == 3
    with database.read() as session:
        owner = repository.collection(session, "shop")
        new = repository.image(session, owner.id, "new")
        assert new is not None
        key = (owner.id, new.content_hash, encoder.spec.fingerprint)
        assert session.get(Embedding, key) is not None
    assert owner.encoder_fingerprint == encoder.spec.fingerprint


def test_a_picture_that_is_lost_waits_and_a_whole_source_does_not(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    put: Put,
    data_dir: Path,
    database: Database,
) -> None:
    run(indexing, photos, encoder)
    put("kept", "white", encoder)
    put("lost", "black", encoder)
    with database.read() as session:
        owner = repository.collection(session, "shop")
        lost = repository.image(session, owner.id, "lost")
        assert lost is not None
    store = CollectionFolder.of(data_dir, owner).pictures
    (store / lost.content_hash[:2] / lost.content_hash).unlink()
    assert reindex(indexing, OTHER).total == 5
    assert active(database, data_dir).count == 4
    for file in photos.iterdir():
        file.unlink()
    with pytest.raises(CollectionMixed, match="no picture of theirs"):
        reindex(indexing, TinyEncoder("3"))


def test_a_picture_that_is_back_enters_the_index_though_nothing_has_changed(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    put: Put,
    data_dir: Path,
    database: Database,
) -> None:
    """No image has changed: what was embedded late is in no delta."""
    run(indexing, photos, encoder)
    put("kept", "black", encoder)
    put("away", "white", encoder)
    with database.read() as session:
        owner = repository.collection(session, "shop")
        away = repository.image(session, owner.id, "away")
        assert away is not None
    store = CollectionFolder.of(data_dir, owner).pictures
    file = store / away.content_hash[:2] / away.content_hash
    data = file.read_bytes()
    file.unlink()
    reindex(indexing, OTHER)
    assert active(database, data_dir).count == 4
    file.write_bytes(data)
    reindex(indexing, OTHER)
    assert active(database, data_dir).count == 5
    assert not reindex(indexing, OTHER).published, "now nothing is new"


def test_a_collection_that_was_emptied_gets_an_empty_index(
    indexing: Indexing, encoder: TinyEncoder, photos: Path, database: Database, data_dir: Path
) -> None:
    run(indexing, photos, encoder)
    with database.write() as session:
        owner = repository.collection(session, "shop")
        ids = [row.id for row in session.query(ImageRow)]
        number = repository.bump_change_number(session, owner.id)
        repository.bury(session, ids, number, is_final=True)
    assert reindex(indexing, encoder).published
    assert active(database, data_dir).count == 0
    assert not reindex(indexing, encoder).published
