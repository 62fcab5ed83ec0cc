"""From a source to the catalog: attributes arrive, and a source in part loses nothing."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from indexer.catalog.db import Database
from indexer.catalog.tables import Image
from indexer.indexing import Indexing
from indexer.indexing_run import IndexSummary
from indexer.progress import Silent
from indexer.sources import source_of
from tests.indexer.pictures.hostile import encoded, picture
from tests.indexer.sources.source_entries import put, tar
from tests.tiny_encoder import TinyEncoder

PICTURES = [encoded(picture(seed), "PNG") for seed in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, data in enumerate(PICTURES):
        put(tmp_path / "shop", f"{number}.png", data)
    return tmp_path / "shop"


def run(indexing: Indexing, source: Path, encoder: TinyEncoder) -> IndexSummary:
    return indexing.run("shop", source_of(str(source)), encoder, Silent(), recall=0.95)


def stored(database: Database) -> dict[str, object]:
    with database.read() as session:
        rows = session.execute(select(Image.key, Image.attributes).order_by(Image.key))
        return {row.key: row.attributes for row in rows}


def catalogue(folder: Path, *rows: object) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    return put(folder, "items.jsonl", "\n".join(lines).encode())


def test_attributes_follow_the_catalogue(
    indexing: Indexing, database: Database, folder: Path, encoder: TinyEncoder
) -> None:
    first = {"image": "0.png", "id": "a", "색": "빨강", "price": 1}
    run(indexing, catalogue(folder, first, {"image": "1.png", "id": "b"}), encoder)
    assert stored(database) == {"a": {"색": "빨강", "price": 1}, "b": {}}
    run(indexing, catalogue(folder, first | {"price": 2}, {"image": "1.png", "id": "b"}), encoder)
    assert stored(database) == {"a": {"색": "빨강", "price": 2}, "b": {}}


def test_a_row_that_cannot_be_read_deletes_nothing(
    indexing: Indexing, database: Database, folder: Path, encoder: TinyEncoder
) -> None:
    rows = [{"image": f"{number}.png"} for number in range(3)]
    run(indexing, catalogue(folder, *rows), encoder)
    run(indexing, catalogue(folder, rows[0], '{"image": "1.p'), encoder)
    assert list(stored(database)) == ["0.png", "1.png", "2.png"]
    run(indexing, catalogue(folder, rows[0]), encoder)
    assert list(stored(database)) == ["0.png"]


def test_a_shard_that_was_cut_deletes_nothing(
    indexing: Indexing, database: Database, tmp_path: Path, encoder: TinyEncoder
) -> None:
    whole = tar(*((f"{number}.png", data) for number, data in enumerate(PICTURES)))
    run(indexing, put(tmp_path, "shard.tar", whole), encoder)
    run(indexing, put(tmp_path, "shard.tar", whole[: len(PICTURES[0]) + 2000]), encoder)
    assert list(stored(database)) == ["0", "1", "2"]
