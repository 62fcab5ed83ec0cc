"""The tables of a backup, and rows from one database to another, whatever kind they are."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, insert, select, text, update

import app.auth.tables
import app.jobs.tables
import app.suggest.tables  # noqa: F401 - known to the metadata by being imported, as the others
from app.suggest.tables import QueryMark, QuerySalt
from indexer.catalog.tables import Base, Collection, OpenedVersion, Server
from indexer.progress import Progress

Row = dict[str, Any]
Adjust = Callable[[Table, Row], Row | None]
"""A row as it is to be; None: it is left out."""

_LEFT_OUT = {table.__tablename__ for table in (Server, OpenedVersion, QueryMark, QuerySalt)}
"""Who serves just now; and what ties a day's queries to clients, which is gone with the day."""

_AT_ONCE = 1000
_ACTIVE = "active_version_id"


def backed_up() -> list[Table]:
    """Every table but those that are left out, each after those that it refers to."""
    return [table for table in Base.metadata.sorted_tables if table.name not in _LEFT_OUT]


def copy_tables(
    source: Connection, target: Connection, adjust: Adjust, progress: Progress
) -> dict[str, int]:
    """All rows into empty tables, and the greatest ids that were given out; rows of each table."""
    copied = {}
    for table in backed_up():
        copied[table.name] = 0
        for rows in _rows_of(source, table, adjust):
            target.execute(insert(table), rows)
            copied[table.name] += len(rows)
            progress.advance(len(rows))
    for table in backed_up():
        if table.autoincrement_column is not None:
            _continue_ids(target, table.name, _last_id(source, table.name))
    return copied


def activate(source: Connection, target: Connection) -> None:
    """Which versions serve, where `without_active` left it out: they are there by now."""
    chosen = select(Collection.id.label("owner"), Collection.active_version_id.label("version"))
    rows = source.execute(chosen.where(Collection.active_version_id.is_not(None))).mappings().all()
    if rows:
        collections = Collection.__table__
        owner = collections.c.id == bindparam("owner")
        target.execute(
            update(Collection).where(owner).values({_ACTIVE: bindparam("version")}),
            [dict(row) for row in rows],
        )


def without_active(table: Table, row: Row) -> Row:
    """A collection is there before its versions."""
    return row | {_ACTIVE: None} if table is Collection.__table__ else row


def count_rows(connection: Connection) -> dict[str, int]:
    return {
        table.name: connection.scalar(select(func.count()).select_from(table)) or 0
        for table in backed_up()
    }


def _rows_of(source: Connection, table: Table, adjust: Adjust) -> Iterator[list[Row]]:
    found = source.execute(select(table).execution_options(yield_per=_AT_ONCE)).mappings()
    for group in found.partitions():
        adjusted = (adjust(table, dict(row)) for row in group)
        if rows := [row for row in adjusted if row is not None]:
            yield rows


def _last_id(source: Connection, table: str) -> int | None:
    """The greatest id that was ever given out: its row may be gone."""
    query = (
        "SELECT seq FROM sqlite_sequence WHERE name = :table"
        if source.dialect.name == "sqlite"
        else "SELECT pg_sequence_last_value(pg_get_serial_sequence(:table, 'id')::regclass)"
    )
    found: int | None = source.scalar(text(query), {"table": table})
    return found


def _continue_ids(target: Connection, table: str, last: int | None) -> None:
    """No id that was given out is given out again: a version may still hold it."""
    if not last:
        return
    values: Mapping[str, Any] = {"table": table, "last": last}
    if target.dialect.name == "sqlite":
        target.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), values)
        target.execute(text("INSERT INTO sqlite_sequence VALUES (:table, :last)"), values)
    else:
        sequence = "pg_get_serial_sequence(:table, 'id')::regclass"
        target.execute(text(f"SELECT setval({sequence}, :last)"), values)
