"""One process writes a collection at a time; one that was silent for too long writes no more."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from PIL import Image

from indexer import lease
from indexer.catalog import repository
from indexer.catalog.db import Database, database_now
from indexer.catalog.tables import Collection
from indexer.embedding.run import EmbedOptions
from indexer.errors import CollectionBusy, LeaseLost, UnknownCollection
from indexer.indexing import Indexing
from indexer.lease import hold, is_dead, process_id
from indexer.pictures.decode import DecodeLimits
from indexer.progress import Silent
from indexer.sources.folder import FolderSource
from indexer.writing import IndexingOptions
from tests.indexer.runs import run
from tests.tiny_encoder import TinyEncoder

FORK_SERVER = multiprocessing.get_context("forkserver")


@pytest.fixture
def collection_id(database: Database) -> int:
    with database.write() as session:
        return repository.add_collection(session, "shop", "tiny", TinyEncoder().spec, 0.9).id


def held_by(database: Database, owner: str, seconds: float) -> Callable[[Collection], None]:
    def hold_it(collection: Collection) -> None:
        collection.lease_owner, collection.lease_token = owner, 7
        with database.read() as session:
            collection.lease_until = database_now(session) + timedelta(seconds=seconds)

    return hold_it


def change(database: Database, collection_id: int, how: Callable[[Collection], None]) -> None:
    with database.write() as session:
        how(session.get_one(Collection, collection_id))


def test_the_second_to_ask_is_refused_until_the_first_is_done(
    database: Database, collection_id: int
) -> None:
    with hold(database, collection_id) as first, pytest.raises(CollectionBusy):
        hold(database, collection_id).__enter__()
    with hold(database, collection_id) as second:
        assert second.token > first.token
        with pytest.raises(LeaseLost), database.write() as session:
            first.guard(session)


def test_a_collection_that_is_gone_cannot_be_held(database: Database, collection_id: int) -> None:
    with pytest.raises(UnknownCollection):
        hold(database, collection_id + 1).__enter__()


@pytest.mark.parametrize(
    ("owner", "seconds", "is_free"),
    [
        ("elsewhere/1/1", 60, False),
        ("elsewhere/1/1", -1, True),
        (process_id(), 60, False),
        (process_id() + "0", 60, True),
    ],
    ids=["another host", "run out", "this process", "a process that has ended"],
)
def test_a_lease_ends_with_its_time_or_with_its_process(
    database: Database, collection_id: int, owner: str, seconds: float, is_free: bool
) -> None:
    change(database, collection_id, held_by(database, owner, seconds))
    if is_free:
        with hold(database, collection_id) as taken:
            assert taken.token == 8
    else:
        with pytest.raises(CollectionBusy):
            hold(database, collection_id).__enter__()


def test_a_lease_is_renewed_while_its_owner_lives(database: Database, collection_id: int) -> None:
    def until() -> float:
        with database.read() as session:
            found = session.get_one(Collection, collection_id).lease_until
        assert found is not None
        return found.timestamp()

    with hold(database, collection_id, seconds=1) as held:
        first = until()
        deadline = time.monotonic() + 30
        while until() < first + 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        with database.write() as session:
            held.guard(session)


def test_a_collection_that_goes_while_it_is_held_is_renewed_no_more(
    database: Database, collection_id: int
) -> None:
    """Removing its files may take longer than a renewal: no fault of the thread that renews."""
    with hold(database, collection_id, 0.2):
        with database.write() as session:
            repository.delete_collection(session, collection_id)
        (renewing,) = [thread for thread in threading.enumerate() if thread.name == "lease"]
        renewing.join(30)
        assert not renewing.is_alive()


def test_a_lease_that_ran_out_is_lost_though_nobody_took_it(
    database: Database, collection_id: int
) -> None:
    with hold(database, collection_id) as held:
        change(database, collection_id, held_by(database, process_id(), -1))
        change(database, collection_id, lambda owner: setattr(owner, "lease_token", held.token))
        with pytest.raises(LeaseLost), database.write() as session:
            held.guard(session)


def test_a_transaction_that_outlasts_the_lease_does_not_lose_it(
    database: Database, collection_id: int
) -> None:
    """Else what takes long once, removing a million images, would fail every run."""
    with hold(database, collection_id) as held:
        with database.write() as session:
            owner = held.guard(session)
            owner.lease_until = database_now(session) - timedelta(seconds=1)
        with database.write() as session:
            held.guard(session)


def test_the_dead_are_told_from_the_living() -> None:
    child = FORK_SERVER.Process(target=os.getpid)
    child.start()
    living = f"{lease._host()}/{os.getpid()}/{lease._began(os.getpid())}"
    assert not is_dead(living)
    pid = child.pid
    child.join(60)
    assert is_dead(f"{lease._host()}/{pid}/1")
    assert not is_dead(f"elsewhere/{pid}/1")


class _Stopping(Silent):
    """Says where it is, and hangs there, as a machine does."""

    def __init__(self, reached: Event) -> None:
        self._reached = reached

    def start(self, stage: str, total: int | None) -> None:  # noqa: ARG002
        if stage == "switch":
            self._reached.set()
            os.kill(os.getpid(), signal.SIGSTOP)


def _index_slowly(url: str, data_dir: Path, photos: Path, reached: Event) -> None:
    database = Database(url)
    options = IndexingOptions(EmbedOptions(DecodeLimits()), lease_seconds=1)
    indexing = Indexing(database, data_dir, options)
    source, watching = FolderSource(photos), _Stopping(reached)
    try:
        indexing.run("shop", source, TinyEncoder(), watching, recall=0.95)
    except LeaseLost:
        os._exit(7)


def test_an_owner_stopped_past_its_lease_and_continued_cannot_publish(
    indexing: Indexing, photos: Path, database: Database, database_url: str, data_dir: Path
) -> None:
    """Right before the switch; another takes over."""
    run(indexing, photos, TinyEncoder())
    Image.new("RGB", (9, 9), "white").save(photos / "white.png")
    reached = FORK_SERVER.Event()
    stopped = FORK_SERVER.Process(
        target=_index_slowly, args=(database_url, data_dir, photos, reached)
    )
    stopped.start()
    assert reached.wait(60)
    assert stopped.pid is not None
    Image.new("RGB", (9, 9), "black").save(photos / "black.png")
    taken_over = _patiently(lambda: run(indexing, photos, TinyEncoder()).version)
    os.kill(stopped.pid, signal.SIGCONT)
    stopped.join(60)
    assert stopped.exitcode == 7
    with database.read() as session:
        active = repository.collection(session, "shop").active_version
    assert active is not None
    assert (active.name, active.count) == (taken_over, 5)


def _patiently(attempt: Callable[[], str | None]) -> str | None:
    deadline = time.monotonic() + 60
    while True:
        try:
            return attempt()
        except CollectionBusy:
            assert time.monotonic() < deadline
            time.sleep(0.1)
