"""Queries on the query log. Nothing here commits: the caller's unit of work does."""

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import delete, exists, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.suggest.tables import QueryCount, QueryMark, QuerySalt
from indexer.catalog.db import database_now
from indexer.catalog.tables import Base, Collection

_IN_CHUNK = 500
_SALT_BYTES = 32
_MARK_BYTES = 16


class Asked(NamedTuple):
    collection_id: int
    text: str
    """Folded."""
    client: str


def today(session: Session) -> date:
    """One day for all processes, in UTC."""
    return database_now(session).astimezone(UTC).date()


def salt_of(session: Session, day: date) -> bytes:
    """What all processes key the day's marks with."""
    made = {"day": day, "salt": secrets.token_bytes(_SALT_BYTES)}
    session.execute(_insert(session, QuerySalt).values(made).on_conflict_do_nothing())
    return session.scalars(select(QuerySalt.salt).where(QuerySalt.day == day)).one()


def count(session: Session, day: date, salt: bytes, asked: AbstractSet[Asked]) -> int:
    """Count each client of a text that was not counted on that day. Returns how many those were.

    Collections that are gone are passed over.
    """
    there = _held(session, {each.collection_id for each in asked})
    marks = {_mark(salt, each): each for each in asked if each.collection_id in there}
    counted = _mark_new(session, day, marks)
    clients = Counter((marks[mark].collection_id, marks[mark].text) for mark in counted)
    # In one order, so that two processes never wait for each other.
    rows = [
        {"collection_id": collection_id, "day": day, "text": text, "clients": number}
        for (collection_id, text), number in sorted(clients.items())
    ]
    for some in _chunks(rows):
        adding = _insert(session, QueryCount).values(some)
        session.execute(
            adding.on_conflict_do_update(
                index_elements=["collection_id", "day", "text"],
                set_={"clients": QueryCount.clients + adding.excluded.clients},
            )
        )
    return len(counted)


def popular(session: Session, collection_id: int, since: date, min_clients: int) -> dict[str, int]:
    """Texts that so many clients asked for on one day: how often a client did on any day since.

    One day, as nobody can tell whether the clients of two days are the same.
    """
    counted = (
        select(QueryCount.text, func.sum(QueryCount.clients))
        .where(QueryCount.collection_id == collection_id, QueryCount.day >= since)
        .group_by(QueryCount.text)
        .having(func.max(QueryCount.clients) >= min_clients)
    )
    return {text: int(searches) for text, searches in session.execute(counted)}


def purge(session: Session, day: date, since: date, min_clients: int) -> None:
    """What is older than `since`; and of days before `day` the marks, the salts, and the texts that
    too few asked for: they can never be suggested.
    """
    for table, outdated in _outdated(day, since, min_clients):
        session.execute(delete(table).where(outdated))


def is_due(session: Session, day: date, since: date, min_clients: int) -> bool:
    """Whether there is anything to purge."""
    found = (exists().where(outdated) for _, outdated in _outdated(day, since, min_clients))
    return bool(session.scalar(select(or_(*found))))


def _outdated(day: date, since: date, min_clients: int) -> Sequence[tuple[type[Base], Any]]:
    too_few = (QueryCount.day < day) & (QueryCount.clients < min_clients)
    return (
        (QueryMark, QueryMark.day < day),
        (QuerySalt, QuerySalt.day < day),
        (QueryCount, or_(QueryCount.day < since, too_few)),
    )


def _held(session: Session, ids: set[int]) -> set[int]:
    """Those of the collections that are there, and stay until the transaction ends."""
    chosen = select(Collection.id).where(Collection.id.in_(ids)).order_by(Collection.id)
    return set(session.scalars(chosen.with_for_update(read=True, key_share=True)))


def _mark(salt: bytes, asked: Asked) -> bytes:
    content = "\0".join((str(asked.collection_id), asked.text, asked.client)).encode()
    return blake2b(content, key=salt, digest_size=_MARK_BYTES).digest()


def _mark_new(session: Session, day: date, marks: Mapping[bytes, Asked]) -> list[bytes]:
    """Those that were not there yet."""
    rows = [
        {"collection_id": marks[mark].collection_id, "day": day, "mark": mark}
        for mark in sorted(marks)
    ]
    new: list[bytes] = []
    for some in _chunks(rows):
        adding = _insert(session, QueryMark).values(some).on_conflict_do_nothing()
        new += session.scalars(adding.returning(QueryMark.mark))
    return new


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    remaining = iter(rows)
    while some := list(islice(remaining, _IN_CHUNK)):
        yield some


def _insert(session: Session, table: type[Base]) -> Any:
    """SQLite and PostgreSQL say ON CONFLICT alike; SQLAlchemy has no word for both."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
