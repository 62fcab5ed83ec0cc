"""A catalog of the first edition keeps what it knows: nothing is read again after the upgrade."""

import os
from pathlib import Path

from sqlalchemy import text

from indexer.catalog import db
from indexer.catalog.db import Database
from indexer.embedding.run import EmbedOptions
from indexer.indexing import Indexing
from indexer.pictures.decode import DecodeLimits
from indexer.writing import IndexingOptions
from tests.indexer.runs import run
from tests.tiny_encoder import TinyEncoder


def test_times_become_stamps_and_back(
    database_url: str, data_dir: Path, photos: Path, encoder: TinyEncoder
) -> None:
    database = Database(database_url)
    indexing = Indexing(database, data_dir, IndexingOptions(EmbedOptions(DecodeLimits())))
    run(indexing, photos, encoder)
    database.close()
    db.downgrade(database_url, "0001")
    with database.write() as session:
        for picture in photos.iterdir():
            session.execute(
                text("UPDATE images SET mtime_ns = :time WHERE key = :key"),
                {"time": picture.stat().st_mtime_ns, "key": picture.name},
            )
    database.close()
    db.upgrade(database_url)
    for picture in photos.iterdir():
        status = picture.stat()
        picture.write_bytes(bytes(status.st_size))
        os.utime(picture, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = run(indexing, photos, encoder)
    assert (again.images.unchanged, again.published) == (3, False)
    assert encoder.images_encoded == 3, "the files were not read: they hold no pictures any more"
    database.close()
