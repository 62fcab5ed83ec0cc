"""Files that came through the API: nobody else has them."""

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from indexer.errors import Rejected
from indexer.live.picture_store import PictureStore

LONG_AGO = 10_000.0


def hash_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path / "new" / "pictures")


def file_of(store: PictureStore, data: bytes) -> Path:
    return store._folder / hash_of(data)[:2] / hash_of(data)


def put(store: PictureStore, data: bytes, age: float = 0.0) -> Path:
    store.put(hash_of(data), data)
    path = file_of(store, data)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def none(_: Sequence[str]) -> set[str]:
    return set()


def test_what_was_put_is_read(store: PictureStore) -> None:
    for data in (b"one", b"two", b""):
        put(store, data)
        assert store.read(hash_of(data)) == data


def test_what_is_not_there_or_damaged_is_never_read_as_the_picture(store: PictureStore) -> None:
    with pytest.raises(Rejected, match="gone"):
        store.read(hash_of(b"one"))
    put(store, b"one").write_bytes(b"ono")
    with pytest.raises(Rejected, match="corrupt"):
        store.read(hash_of(b"one"))


def test_putting_it_again_repairs_a_damaged_file(store: PictureStore) -> None:
    put(store, b"one").write_bytes(b"")
    put(store, b"one")
    assert store.read(hash_of(b"one")) == b"one"


def test_only_what_is_old_and_named_by_nobody_is_collected(store: PictureStore) -> None:
    kept = put(store, b"kept", LONG_AGO)
    young = put(store, b"young")
    gone = put(store, b"gone", LONG_AGO)
    assert store.collect(lambda hashes: {kept.name} & set(hashes)) == 1
    assert (kept.exists(), young.exists(), gone.exists()) == (True, True, False)


def test_an_empty_store_has_nothing_to_collect(store: PictureStore) -> None:
    assert store.collect(none) == 0


def test_a_file_that_is_put_again_is_young_again(store: PictureStore) -> None:
    path = put(store, b"one", LONG_AGO)
    store.put(path.name, b"one")
    assert store.collect(none) == 0
    assert store.read(path.name) == b"one"


def test_a_file_that_is_put_again_while_it_is_collected_stays(store: PictureStore) -> None:
    """The collector has it on its list, and asked whether a row names it, before the put."""
    path = put(store, b"one", LONG_AGO)

    def asked(_: Sequence[str]) -> set[str]:
        store.put(path.name, b"one")
        return set()

    assert store.collect(asked) == 0
    assert store.read(path.name) == b"one"


def test_what_a_crash_left_goes_and_what_it_hid_comes_back(store: PictureStore) -> None:
    hidden, doomed = put(store, b"hidden", LONG_AGO), put(store, b"doomed", LONG_AGO)
    for path in (hidden, doomed):
        path.rename(path.with_name(f".{path.name}.doomed"))
    torn = hidden.with_name(f".{hash_of(b'torn')}.1-2.tmp")
    torn.write_bytes(b"to")
    os.utime(torn, (0, 0))
    assert store.collect(lambda hashes: {hidden.name} & set(hashes)) == 2
    assert store.read(hidden.name) == b"hidden"
    assert [path for path in store._folder.rglob("*") if path.is_file()] == [hidden]


def test_a_million_names_are_never_asked_for_at_once(store: PictureStore) -> None:
    for number in range(1203):
        data = str(number).encode()
        path = file_of(store, data)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (0, 0))
    asked: list[int] = []

    def count(hashes: Sequence[str]) -> set[str]:
        asked.append(len(hashes))
        return set()

    assert store.collect(count) == 1203
    assert sum(asked) == 1203
    assert max(asked) == 500
