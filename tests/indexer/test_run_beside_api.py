"""A run over a source never undoes what the API wrote while it was at work."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import API_SOURCE
from indexer.catalog.tables import Image as ImageRow
from indexer.indexing import Indexing
from indexer.progress import Silent
from indexer.sources import source_of
from indexer.sources.folder import FolderSource
from tests.indexer.runs import keys, run
from tests.tiny_encoder import TinyEncoder

Change = Callable[[Database], None]


def deleted(database: Database) -> None:
    with database.write() as session:
        owner = repository.collection(session, "shop")
        if image := repository.image(session, owner.id, "red.png"):
            number = repository.bump_change_number(session, owner.id)
            repository.bury(session, [image.id], number, is_final=True)


def taken_over(database: Database) -> None:
    with database.write() as session:
        owner = repository.collection(session, "shop")
        image = repository.image(session, owner.id, "red.png")
        assert image is not None
        image.change_number = repository.bump_change_number(session, owner.id)
        image.source_id = repository.source(session, owner.id, API_SOURCE).id
        image.uri, image.attributes = "api:red.png", {"brand": "a"}


def patched(database: Database) -> None:
    with database.write() as session:
        owner = repository.collection(session, "shop")
        image = repository.image(session, owner.id, "red.png")
        assert image is not None
        image.change_number = repository.bump_change_number(session, owner.id)
        image.attributes = {"brand": "a"}


class Beside(Silent):
    """Changes something once the run is at a stage."""

    def __init__(self, stage: str, change: Callable[[], None]) -> None:
        self._stage, self._change = stage, change

    def start(self, stage: str, total: int | None) -> None:  # noqa: ARG002
        if stage == self._stage:
            self._change()


@pytest.mark.parametrize("stage", ["embed", "gather", "verify", "switch"])
@pytest.mark.parametrize("lost", [False, True], ids=["it is there", "its source has lost it"])
@pytest.mark.parametrize("change", [deleted, taken_over, patched])
def test_what_the_api_did_meanwhile_stays(
    indexing: Indexing,
    photos: Path,
    encoder: TinyEncoder,
    database: Database,
    change: Change,
    lost: bool,
    stage: str,
) -> None:
    run(indexing, photos, encoder)
    if lost:
        (photos / "red.png").unlink()
    else:
        Image.new("RGB", (40, 31), "black").save(photos / "red.png")
    Image.new("RGB", (9, 9), "white").save(photos / "white.png")
    beside = Beside(stage, lambda: change(database))
    indexing.run("shop", FolderSource(photos), encoder, beside, recall=0.95)
    again = run(indexing, photos, encoder)
    expected = {"blue.png", "green.png", "white.png"}
    if change is deleted:
        assert set(keys(database)) == expected
        assert again.rejected == ({} if lost else {"deleted": 1})
        return
    if change is patched and lost:
        assert set(keys(database)) == expected
        return
    assert set(keys(database)) == expected | {"red.png"}
    with database.read() as session:
        image = session.query(ImageRow).filter_by(key="red.png").one()
    assert image.attributes == {"brand": "a"}
    assert image.uri.startswith("api:") == (change is taken_over)


def test_what_was_patched_stays_until_the_source_says_something_else(
    indexing: Indexing, tmp_path: Path, photos: Path, encoder: TinyEncoder, database: Database
) -> None:
    table = tmp_path / "shop.csv"

    def index(brand: str) -> dict[str, object]:
        table.write_text(f"image,brand\n{photos / 'red.png'},{brand}\n")
        source = source_of(str(table))
        indexing.run("shop", source, encoder, Silent(), recall=0.95)
        with database.read() as session:
            return dict(session.query(ImageRow).one().attributes)

    assert index("first") == {"brand": "first"}
    with database.write() as session:
        image = session.query(ImageRow).one()
        image.change_number = repository.bump_change_number(session, image.collection_id)
        image.attributes = {"brand": "patched"}
    assert index("first") == {"brand": "patched"}
    assert index("second") == {"brand": "second"}
