"""What a run makes of what a source says: stamps, attributes, keys, and what it cannot say."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Image as ImageRow
from indexer.errors import Rejected, RejectReason, SourceError
from indexer.indexing import Indexing
from indexer.indexing_run import IndexSummary
from indexer.progress import Silent
from indexer.sources.base import SourceEntry, SourceIncomplete, SourceReject
from tests.indexer.listed_source import ListedSource, item, png
from tests.indexer.runs import keys
from tests.tiny_encoder import TinyEncoder


def run(indexing: Indexing, source: ListedSource, encoder: TinyEncoder) -> IndexSummary:
    return indexing.run("shop", source, encoder, Silent(), recall=0.95)


def row(database: Database, key: str) -> ImageRow:
    with database.read() as session:
        return session.scalars(select(ImageRow).where(ImageRow.key == key)).one()


def change_number(database: Database) -> int:
    with database.read() as session:
        return repository.collection(session, "shop").change_number


def test_a_picture_with_the_same_stamp_is_not_read(
    indexing: Indexing, encoder: TinyEncoder
) -> None:
    run(indexing, ListedSource([item("a")], {"a": png(1)}), encoder)
    again = run(indexing, ListedSource([item("a")], {}), encoder)
    assert (again.images.unchanged, again.published) == (1, False)


def test_without_a_stamp_a_picture_is_read_and_embedded_only_if_it_changed(
    indexing: Indexing, encoder: TinyEncoder, database: Database
) -> None:
    source = ListedSource([item("a", None), item("b", None)], {"a": png(1), "b": png(2)})
    run(indexing, source, encoder)
    source.files = {"a": png(1), "b": png(3)}
    changed = run(indexing, source, encoder)
    assert (changed.images.unchanged, changed.images.embedded) == (1, 1)
    assert row(database, "b").file_size == len(png(3))


def test_a_new_stamp_on_the_same_bytes_is_noted(
    indexing: Indexing, encoder: TinyEncoder, database: Database
) -> None:
    run(indexing, ListedSource([item("a")], {"a": png(1)}), encoder)
    touched = run(indexing, ListedSource([item("a", "2")], {"a": png(1)}), encoder)
    assert (touched.images.unchanged, touched.published) == (1, False)
    assert row(database, "a").stamp == "2"


def test_attributes_change_without_encoding(
    indexing: Indexing, encoder: TinyEncoder, database: Database
) -> None:
    """A new price must be found by the next filter."""
    files = {"a": png(1)}
    run(indexing, ListedSource([item("a", attributes={"price": 1})], files), encoder)
    before = change_number(database)
    for given, kept in [
        ({"price": 2, "tags": ["new"]}, {"price": 2, "tags": ["new"]}),
        (None, {"price": 2, "tags": ["new"]}),
        ({"price": True}, {"price": True}),
        ({"price": 1}, {"price": 1}),
        ({}, {}),
    ]:
        run(indexing, ListedSource([item("a", attributes=given)], files), encoder)
        stored = row(database, "a").attributes
        assert (stored, type(stored.get("price"))) == (kept, type(kept.get("price")))
    assert change_number(database) == before + 4
    assert row(database, "a").change_number == before + 4
    assert encoder.images_encoded == 1


def test_a_key_that_comes_twice_is_the_first_ones(
    indexing: Indexing, encoder: TinyEncoder, database: Database
) -> None:
    entries = [item("a"), item("b"), item("a", "2")]
    source = ListedSource(entries, {"a": png(1), "b": png(2)})
    for _ in range(2):
        summary = run(indexing, source, encoder)
        assert (summary.total, summary.rejected) == (2, {"duplicate_key": 1})
        assert (row(database, "a").stamp, summary.images.removed) == ("1", 0)


def test_a_bad_entry_takes_no_key_from_a_good_one(
    indexing: Indexing, encoder: TinyEncoder, database: Database
) -> None:
    bad = SourceReject("a", RejectReason.BAD_ROW, "no image")
    for entries in ([bad, item("a")], [item("a"), bad]):
        summary = run(indexing, ListedSource(entries, {"a": png(1)}), encoder)
        assert (summary.images.removed, summary.rejected) == (0, {"bad_row": 1})
        assert keys(database) == ["a"]


def test_a_file_that_the_scan_read_is_not_read_again(
    indexing: Indexing, encoder: TinyEncoder
) -> None:
    source = ListedSource([item(str(one), data=png(one)) for one in range(20)], {})
    assert run(indexing, source, encoder).images.embedded == 20
    assert run(indexing, source, encoder).images.unchanged == 20


@pytest.mark.parametrize(
    ("reason", "is_kept"), [("unreadable", True), ("fetch_failed", True), ("gone", False)]
)
def test_only_what_is_known_to_be_gone_goes(
    indexing: Indexing, encoder: TinyEncoder, database: Database, reason: str, is_kept: bool
) -> None:
    """An hour without network must not empty the collection."""
    run(indexing, ListedSource([item("a"), item("b")], {"a": png(1), "b": png(2)}), encoder)

    def fail() -> bytes:
        raise Rejected(RejectReason(reason), "")

    source = ListedSource([item("a", "2"), item("b", "2")], {"a": fail, "b": png(2)})
    summary = run(indexing, source, encoder)
    assert summary.rejected == {reason: 1}
    assert keys(database) == (["a", "b"] if is_kept else ["b"])


def test_a_source_that_was_not_scanned_whole_loses_nothing(
    indexing: Indexing, encoder: TinyEncoder, database: Database
) -> None:
    run(indexing, ListedSource([item("a"), item("b")], {"a": png(1), "b": png(2)}), encoder)
    entries = [
        item("b"),
        SourceReject("page 2", RejectReason.FETCH_FAILED, "503"),
        SourceIncomplete("page 2 did not come"),
    ]
    summary = run(indexing, ListedSource(entries, {}), encoder)
    assert summary.images.is_incomplete
    assert (summary.images.removed, keys(database)) == (0, ["a", "b"])


def test_a_scan_that_breaks_off_keeps_what_it_found_and_loses_nothing(
    indexing: Indexing, encoder: TinyEncoder, database: Database
) -> None:
    run(indexing, ListedSource([item("old")], {"old": png(0)}), encoder)

    def broken() -> Iterator[SourceEntry]:
        for number in range(1, 21):
            yield item(str(number), data=png(number))
        raise SourceError("the server hung up")

    with pytest.raises(SourceError, match="hung up"):
        run(indexing, ListedSource(broken(), {}), encoder)
    assert "old" in keys(database)
    source = ListedSource([item(str(number)) for number in range(1, 21)], {})
    source.files = {str(number): png(number) for number in range(1, 21)}
    assert run(indexing, source, encoder).images.removed == 1


@pytest.mark.parametrize("key", ["a\0b", "a\ud800b"])
def test_a_key_that_no_database_takes_is_a_reject(
    indexing: Indexing, encoder: TinyEncoder, key: str
) -> None:
    source = ListedSource([item(key), item("b")], {"b": png(2)})
    summary = run(indexing, source, encoder)
    assert (summary.total, summary.rejected) == (1, {"undecodable_name": 1})
