"""Which processes serve, and which versions each of them has open.

Whoever switches versions waits for them, and whoever removes versions spares what they have open.
A process that says nothing for a while is taken for gone.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from indexer.catalog.db import database_now
from indexer.catalog.tables import IndexVersion, OpenedVersion, Server

HEARTBEAT_SECONDS = 3.0
_GONE_AFTER = timedelta(seconds=5 * HEARTBEAT_SECONDS)


def register(session: Session, host: str, pid: int) -> str:
    """The new server's id."""
    moment = database_now(session)
    server = Server(id=secrets.token_hex(8), host=host, pid=pid, started_at=moment, seen_at=moment)
    session.add(server)
    session.flush()
    return server.id


def say_alive(session: Session, server_id: str, opened: Mapping[int, str | None]) -> bool:
    """The server is there, with those versions: id → None, or why it could not be opened.

    False where it was taken for gone: it has to register again.
    """
    seen = session.scalar(
        update(Server)
        .where(Server.id == server_id)
        .values(seen_at=database_now(session))
        .returning(Server.id)
    )
    if seen is None:
        return False
    held = {
        row.version_id: row
        for row in session.scalars(
            select(OpenedVersion).where(OpenedVersion.server_id == server_id)
        )
    }
    for version_id in held.keys() - opened.keys():
        session.delete(held[version_id])
    there = set(session.scalars(select(IndexVersion.id).where(IndexVersion.id.in_(opened))))
    for version_id in there:
        if version_id in held:
            held[version_id].problem = opened[version_id]
        else:
            session.add(
                OpenedVersion(
                    server_id=server_id, version_id=version_id, problem=opened[version_id]
                )
            )
    return True


def forget(session: Session, server_id: str) -> None:
    session.execute(delete(Server).where(Server.id == server_id))


def forget_gone(session: Session) -> None:
    """Servers that ended without saying so."""
    session.execute(delete(Server).where(Server.seen_at < _alive_since(session)))


def versions_in_use(session: Session) -> set[int]:
    """Ids of versions that some server has open."""
    found = select(OpenedVersion.version_id).join(Server).where(OpenedVersion.problem.is_(None))
    return set(session.scalars(found.where(Server.seen_at >= _alive_since(session))))


def waited_for(session: Session, version_id: int) -> list[str]:
    """Ids of servers that have neither opened the version nor said why they cannot."""
    tried = (
        select(OpenedVersion.server_id)
        .where(OpenedVersion.version_id == version_id, OpenedVersion.server_id == Server.id)
        .exists()
    )
    alive = Server.seen_at >= _alive_since(session)
    return list(session.scalars(select(Server.id).where(alive, ~tried)))


def _alive_since(session: Session) -> datetime:
    return database_now(session) - _GONE_AFTER
