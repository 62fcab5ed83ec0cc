"""The catalog on SQLite and on PostgreSQL alike."""

import socket
from datetime import UTC

import alembic.command
import pytest
from sqlalchemy import inspect, text

from indexer.catalog import db, repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Base, Image, Shard
from indexer.errors import CatalogError, CollectionExists, UnknownCollection
from tests.tiny_encoder import TinyEncoder

SPEC = TinyEncoder().spec


def test_upgrade_makes_every_table_and_downgrade_leaves_none(empty_database_url: str) -> None:
    db.upgrade(empty_database_url)
    assert set(Base.metadata.tables) <= _tables(empty_database_url)
    db.downgrade(empty_database_url, "base")
    assert _tables(empty_database_url) == {"alembic_version"}
    db.upgrade(empty_database_url)


def test_migrations_are_in_step_with_the_tables(database_url: str) -> None:
    alembic.command.check(db.alembic_config(database_url))


def test_collections_from_before_there_were_families_leave_the_choice(
    empty_database_url: str,
) -> None:
    db.upgrade(empty_database_url, "0002")
    database = Database(empty_database_url)
    with database.write() as session:
        session.execute(
            text(
                "INSERT INTO collections (name, folder, model, encoder_fingerprint, dim, recall,"
                " change_number, created_at)"
                " VALUES ('shop', 'shop-1', 'tiny', 'f', 4, 0.95, 7, '2026-01-01 00:00:00')"
            )
        )
    db.upgrade(empty_database_url)
    with database.read() as session:
        found = repository.collection(session, "shop")
    assert (found.index_family, found.change_number) == ("auto", 7)
    database.close()


def test_a_database_that_was_not_migrated_says_what_to_do(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with pytest.raises(CatalogError, match="noongil db upgrade"):
        db.require_current(database)
    database.close()


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "no url at all", "sqlite+nosuch:///x"])
def test_a_bad_url_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(CatalogError) as caught:
        Database(url)
    assert "secret" not in str(caught.value)


def test_an_unreachable_database_is_a_clear_error() -> None:
    database = Database("postgresql://user:secret@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(CatalogError, match="cannot be reached") as caught:
        db.require_current(database)
    assert "secret" not in str(caught.value)
    database.close()


def test_a_collection_name_is_taken_once(database: Database) -> None:
    with database.write() as session:
        repository.add_collection(session, "shop", "tiny", SPEC, 0.95)
    with pytest.raises(CollectionExists), database.write() as session:
        repository.add_collection(session, "shop", "tiny", SPEC, 0.95)


def test_an_exception_rolls_the_whole_transaction_back(database: Database) -> None:
    def fail_half_way() -> None:
        with database.write() as session:
            repository.add_collection(session, "half", "tiny", SPEC, 0.95)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with pytest.raises(UnknownCollection), database.read() as session:
        repository.collection(session, "half")


def test_the_id_of_a_deleted_image_never_comes_back(database: Database) -> None:
    """An older index version still holds it: it would show a stranger's picture."""
    with database.write() as session:
        owner = repository.add_collection(session, "shop", "tiny", SPEC, 0.95)
        first = _image(session, owner.id, "a.jpg")
        session.delete(first)
        session.flush()
        second = _image(session, owner.id, "b.jpg")
        assert second.id > first.id


def test_deleting_a_collection_leaves_no_row_of_it(database: Database) -> None:
    with database.write() as session:
        owner = repository.add_collection(session, "shop", "tiny", SPEC, 0.95)
        _image(session, owner.id, "a.jpg")
    with database.write() as session:
        repository.delete_collection(session, owner.id)
    with database.read() as session:
        for table in (Image, Shard):
            assert session.query(table).count() == 0


def test_times_are_utc_and_aware(database: Database) -> None:
    with database.write() as session:
        created = repository.add_collection(session, "shop", "tiny", SPEC, 0.95).created_at
    with database.read() as session:
        stored = repository.collection(session, "shop").created_at
    assert stored == created
    assert stored.tzinfo is not None


def _image(session: db.Session, collection_id: int, key: str) -> Image:
    source = repository.source(session, collection_id, "file:///pictures")
    shard = Shard(
        collection_id=collection_id, path=f"{key}.npy", encoder_fingerprint="", rows=1, sha256=""
    )
    session.add(shard)
    session.flush()
    image = Image(
        collection_id=collection_id,
        source_id=source.id,
        key=key,
        uri=f"file:///pictures/{key}",
        file_size=1,
        stamp="1-1",
        content_hash=key,
        format="JPEG",
        width=1,
        height=1,
        change_number=1,
    )
    session.add(image)
    session.flush()
    return image


def _tables(url: str) -> set[str]:
    database = Database(url)
    try:
        return set(inspect(database.engine).get_table_names())
    finally:
        database.close()


def test_times_are_utc_wherever_the_database_is(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTZ", "Asia/Seoul")
    database = Database(database_url)
    with database.write() as session:
        repository.add_collection(session, "shop", "tiny", SPEC, 0.95)
    with database.read() as session:
        assert repository.collection(session, "shop").created_at.tzinfo is UTC
    database.close()


def test_a_server_that_swallows_packets_is_given_up() -> None:
    """It accepts and says nothing: whoever asks whether the catalog is ready must hear of it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        database = Database(f"postgresql://noongil:x@127.0.0.1:{port}/noongil?connect_timeout=2")
        with pytest.raises(CatalogError):
            db.require_current(database)
        database.close()
