"""Who may write a collection's files: one process at a time, on whatever host.

The right is a lease in the collection's row. Its owner renews it while it works; one that is
silent for too long loses it, and every transaction that it begins afterwards fails, because
each asks whether the fencing number is still its own (M. Kleppmann, "How to do distributed
locking", 2016).
"""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import event, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from indexer.catalog import repository
from indexer.catalog.db import Database, database_now
from indexer.catalog.tables import Collection
from indexer.errors import CollectionBusy, LeaseLost, UnknownCollection

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
_RENEWALS = 4
"""A lease is renewed so often within its time: some may fail."""


@dataclass(frozen=True)
class Lease:
    collection_id: int
    token: int
    """The fencing number."""
    seconds: float

    def guard(self, session: Session) -> Collection:
        """The collection, locked until the transaction ends, which renews the lease: however long
        it takes, nobody can take the collection meanwhile. Raises LeaseLost.
        """
        owner = repository.locked_collection(session, self.collection_id)
        if not _is_held(session, owner, self.token):
            raise LeaseLost(
                f"this process was silent for too long and lost collection {owner.name!r}: "
                "what it finished before is kept"
            )
        event.listen(session, "before_commit", self._renew, once=True)
        return owner

    def _renew(self, session: Session) -> None:
        session.execute(
            update(Collection)
            .where(Collection.id == self.collection_id)
            .values(lease_until=database_now(session) + timedelta(seconds=self.seconds))
        )


@contextmanager
def hold(database: Database, collection_id: int, seconds: float = LEASE_SECONDS) -> Iterator[Lease]:
    """The lease on a collection, renewed by a thread of its own until the context is left.

    Raises UnknownCollection; CollectionBusy where another process has it.
    """
    with database.write() as session:
        owner = repository.locked_collection(session, collection_id)
        _require_free(session, owner)
        owner.lease_owner = process_id()
        owner.lease_token += 1
        owner.lease_until = database_now(session) + timedelta(seconds=seconds)
        lease = Lease(collection_id, owner.lease_token, seconds)
    done = threading.Event()
    renewing = threading.Thread(
        target=_keep, args=(database, lease, done), name="lease", daemon=True
    )
    renewing.start()
    try:
        yield lease
    finally:
        done.set()
        renewing.join()
        _give_back(database, lease)


def process_id() -> str:
    """Host, process-id namespace, process id and when it began: no two processes share it."""
    return f"{_host()}/{os.getpid()}/{_began(os.getpid())}"


def is_dead(process: str) -> bool:
    """Whether `process`, a process_id(), is known to have ended. That of another host never is."""
    host, _, rest = process.partition("/")
    pid, _, began = rest.partition("/")
    return host == _host() and _began(int(pid)) != began


def _host() -> str:
    """Containers may share a host's name, or a process id, not its namespace."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}-{boot}-{namespace}"


def _began(pid: int) -> str:
    """In clock ticks after boot; "gone" for a process that has ended, zombies among them."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "gone" if Path("/proc/self").exists() else "unknown"
    return "gone" if fields[0] in {"Z", "X"} else fields[19]


def _require_free(session: Session, owner: Collection) -> None:
    if owner.lease_until is None or owner.lease_until <= database_now(session):
        return
    if owner.lease_owner is not None and is_dead(owner.lease_owner):
        return
    raise CollectionBusy("another indexing run is at work on this collection")


def _is_held(session: Session, owner: Collection, token: int) -> bool:
    """A lease that ran out is lost, though nobody else may have taken it."""
    until = owner.lease_until
    return owner.lease_token == token and until is not None and until > database_now(session)


def _keep(database: Database, lease: Lease, done: threading.Event) -> None:
    while not done.wait(lease.seconds / _RENEWALS):
        try:
            with database.write() as session:
                lease.guard(session)
        except (LeaseLost, UnknownCollection):
            return  # whoever works under it hears of it at its next transaction
        except SQLAlchemyError as error:
            logger.warning("cannot renew the lease on a collection, trying again: %s", error)


def _give_back(database: Database, lease: Lease) -> None:
    try:
        with database.write() as session:
            owner = session.get(Collection, lease.collection_id, with_for_update=True)
            if owner is not None and owner.lease_token == lease.token:
                owner.lease_owner = owner.lease_until = None
    except SQLAlchemyError as error:  # it runs out by itself
        logger.warning("cannot give a lease back: %s", error)
