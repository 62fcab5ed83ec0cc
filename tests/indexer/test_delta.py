"""What changed since an index was built is read from the catalog, and is searched beside it."""

import logging
from pathlib import Path

import numpy as np
import pytest

from indexer.backends.faiss_index import FaissIndex
from indexer.catalog.db import Database
from indexer.catalog.repository import delete_collection
from indexer.errors import UnknownCollection
from indexer.live.changes import Changes, Space, read_changes
from indexer.live.delta import Delta
from tests.indexer.live_rows import Rows, Vector, unit

DIM = 192
FOLDER = "folder:photos"


@pytest.fixture
def rows(database: Database, data_dir: Path) -> Rows:
    return Rows(database, data_dir)


def one(number: int) -> Vector:
    """A vector of its own for each number."""
    return unit(*np.eye(DIM)[number])


def read(rows: Rows, after: int = 0, limit: int = 100, **more: object) -> Changes:
    space = Space(rows.id, str(more.pop("fingerprint", rows.fingerprint)), DIM)
    with rows.database.read() as session:
        return read_changes(session, rows.folder, space, after, limit, **more)  # type: ignore[arg-type]


def by_key(rows: Rows, changes: Changes) -> dict[str, Vector]:
    keys = {image: key for key, image in rows.ids().items()}
    return {keys[image]: vector for image, vector in zip(changes.ids, changes.vectors, strict=True)}


def test_vectors_come_from_rows_and_from_shards(rows: Rows) -> None:
    rows.put({"a": one(0)})
    rows.put({"b": one(1), "c": one(2)}, FOLDER, shard=True)
    found = read(rows)
    assert (found.change_number, found.waiting, found.left_out) == (2, 0, 0)
    assert found.from_api.tolist() == [True, False, False]
    vectors = by_key(rows, found)
    assert [int(vectors[key].argmax()) for key in "abc"] == [0, 1, 2]


def test_only_what_is_new_is_read(rows: Rows) -> None:
    rows.put({"a": one(0), "b": one(1)})
    rows.put({"c": one(2)})
    rows.patch("a", price=5)
    ids = rows.ids()
    rows.delete("b")
    found = read(rows, after=1)
    assert sorted(by_key(rows, found)) == ["a", "c"]
    assert found.deleted.tolist() == [ids["b"]]
    assert found.changed == {ids["a"], ids["b"], ids["c"]}
    nothing = read(rows, after=4)
    assert (len(nothing.ids), len(nothing.deleted), nothing.changed) == (0, 0, frozenset())


def test_another_encoders_vectors_are_never_read(rows: Rows) -> None:
    rows.put({"a": one(0)})
    rows.put({"b": one(1)}, fingerprint="other")
    assert list(by_key(rows, found := read(rows))) == ["a"]
    assert (found.waiting, found.left_out) == (1, 0)
    assert found.changed == {*rows.ids().values()}, "what is shown of it may have changed"
    assert list(by_key(rows, read(rows, fingerprint="other"))) == ["b"]


def test_images_of_the_api_come_first_and_the_rest_is_counted(rows: Rows) -> None:
    rows.put({f"run-{n}": one(n) for n in range(5)}, FOLDER)
    rows.put({f"api-{n}": one(n) for n in range(3)})
    found = read(rows, limit=4)
    assert sorted(by_key(rows, found)) == ["api-0", "api-1", "api-2", "run-0"]
    assert found.left_out == 4
    few = read(rows, limit=4, room=0)
    assert sorted(by_key(rows, few)) == ["api-0", "api-1", "api-2"]
    assert few.left_out == 5


def test_what_cannot_be_read_is_said_and_the_rest_is_found(
    rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    rows.put({"lost": one(0)}, FOLDER, shard=True)
    for shard in rows.folder.shards.iterdir():
        shard.unlink()
    rows.put({"short": one(1)[:5], "whole": one(2)})
    with caplog.at_level(logging.ERROR):
        found = read(rows)
    assert list(by_key(rows, found)) == ["whole"]
    assert found.left_out == 2
    assert "2 embeddings cannot be read" in caplog.text


def test_a_collection_that_is_gone_is_no_empty_one(rows: Rows) -> None:
    with rows.database.write() as session:
        delete_collection(session, rows.id)
    with pytest.raises(UnknownCollection):
        read(rows)


def changes(
    number: int, ids: dict[int, Vector], deleted: tuple[int, ...] = (), *, api: bool = True
) -> Changes:
    return Changes(
        change_number=number,
        ids=np.array([*ids], np.int64),
        vectors=np.array([*ids.values()], np.float16).reshape(-1, DIM),
        from_api=np.full(len(ids), api),
        deleted=np.array(deleted, np.int64),
        changed=None,
        waiting=0,
        left_out=0,
    )


@pytest.fixture
def main() -> FaissIndex:
    """Images 10, 20 and 30."""
    vectors = np.stack([one(0), one(1), one(2)])
    return FaissIndex(None, vectors, np.array([10, 20, 30]), None)


def beside(main: FaissIndex | None) -> Delta:
    return Delta.empty(DIM, 0, main)


def test_what_changed_is_here_and_hidden_there(main: FaissIndex) -> None:
    before = beside(main)
    after = before.with_changes(changes(1, {20: one(7), 99: one(8)}, deleted=(30,)), 100)
    assert after.index.ids.tolist() == [20, 99]
    assert after.masked == {20, 30}
    assert after.vector_of(20).argmax() == 7
    assert after.vector_of(10).argmax() == 0, "the version's"
    assert after.vector_of(30) is None
    together = after.vectors_of(np.array([30, 99, 10, 5, 20, 1000]))
    assert together.argmax(axis=1).tolist() == [8, 0, 7], "in the order in which they are asked for"
    assert after.vectors_of(np.array([], np.int64)).shape == (0, DIM)
    assert before.is_nothing, "who searches it goes on as before"


def test_what_is_as_it_was_takes_no_room(main: FaissIndex) -> None:
    """Attributes change more often than pictures."""
    patched = beside(main).with_changes(changes(1, {10: one(0)}), 100)
    assert patched.is_nothing
    assert patched.change_number == 1
    there_and_back = patched.with_changes(changes(2, {10: one(5)}), 100).with_changes(
        changes(3, {10: one(0)}), 100
    )
    assert there_and_back.is_nothing


def test_without_a_version_everything_is_here() -> None:
    delta = beside(None).with_changes(changes(1, {40: one(4), 20: one(3)}), 100)
    assert delta.vectors_of(np.array([40, 1, 20])).argmax(axis=1).tolist() == [4, 3]


def test_a_deleted_image_stays_deleted(main: FaissIndex) -> None:
    """Should both be read, an image and its tombstone."""
    delta = beside(main).with_changes(changes(1, {40: one(4), 20: one(3)}, deleted=(40, 20)), 100)
    assert (delta.count, delta.masked) == (0, {20})


def test_over_the_limit_images_of_runs_go_first(main: FaissIndex) -> None:
    delta = beside(main).with_changes(changes(1, {20: one(3), 40: one(4)}, api=False), 2)
    delta = delta.with_changes(changes(2, {50: one(5), 60: one(6)}), 2)
    assert delta.index.ids.tolist() == [50, 60]
    assert delta.left_out == 2
    assert delta.vector_of(20).argmax() == 1, "found as it was, rather than not at all"
    assert delta.with_changes(changes(3, {70: one(7)}), 2).index.ids.tolist() == [50, 60]


def test_nearest_first() -> None:
    delta = beside(None).with_changes(
        changes(1, {5: unit(1, 0, dim=DIM), 6: unit(1, 1, dim=DIM), 7: unit(0, 1, dim=DIM)}), 100
    )
    found = delta.search(unit(1, 0.1, dim=DIM).astype(np.float32)[None], 5)
    assert found.ids[0].tolist() == [5, 6, 7, -1, -1]
