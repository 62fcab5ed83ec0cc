"""Engine, sessions and migrations: SQLite by default, PostgreSQL by URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

import alembic.command
import alembic.config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

import migrations
from indexer.errors import CatalogError

_SQLITE_BUSY_MS = 30_000
_POSTGRES_PATIENCE = {"connect_timeout": 5, "keepalives_idle": 10, "tcp_user_timeout": 15_000}
"""A server whose packets are swallowed is noticed within a quarter of a minute; a statement may
take as long as it likes. Seconds, seconds, milliseconds; what the URL says holds instead.
"""


class Database:
    """One engine and its sessions; `read` and `write` are the units of work."""

    def __init__(self, url: str, *, foreign_keys: bool = True) -> None:
        """`foreign_keys`: whether SQLite enforces them; off only while migrating, where
        copying a table would cascade to the rows that point to it.
        """
        self.engine = _engine(url, foreign_keys=foreign_keys)
        self._readers = sessionmaker(self.engine, expire_on_commit=False)
        # SQLite: a writer takes the lock at once, so that it never fails half-way
        # because a reader had to become a writer.
        writer = self.engine.execution_options(sqlite_begin="IMMEDIATE")
        self._writers = sessionmaker(writer, expire_on_commit=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that commits nothing."""
        with self._readers() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back by any exception."""
        with self._writers.begin() as session:
            yield session

    def close(self) -> None:
        self.engine.dispose()


def database_now(session: Session) -> datetime:
    """The time by one clock for all who use the database: PostgreSQL's own; those who share a
    SQLite file share a machine.
    """
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    moment: datetime = session.scalars(select(func.clock_timestamp())).one()
    return moment


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to `revision`, creating a SQLite file and its folder."""
    alembic.command.upgrade(alembic_config(url), revision)


def upgrade_if_new(url: str) -> None:
    """Create a SQLite database that is not there yet; an older one is for `upgrade` alone."""
    if _missing_file(_parse(url)):
        upgrade(url)


def downgrade(url: str, revision: str) -> None:
    alembic.command.downgrade(alembic_config(url), revision)


def require_current(database: Database) -> None:
    """Raise CatalogError unless the database can be reached and is at the head revision.

    SQLite would create the file, and `upgrade_if_new` take it for a database.
    """
    if file := _missing_file(database.engine.url):
        raise CatalogError(f"there is no database at {file} yet: run `noongil db upgrade`")
    head = _head()
    try:
        with database.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        raise CatalogError(f"the database cannot be reached: {error.__cause__ or error}") from error
    if current is None:
        raise CatalogError("the database is empty: run `noongil db upgrade`")
    if current != head:
        raise CatalogError(
            f"the database is at revision {current}, this program needs {head}: "
            "run `noongil db upgrade`"
        )


@cache
def _head() -> str | None:
    """The revision that this program needs: reading the migrations takes 8 ms."""
    return ScriptDirectory.from_config(alembic_config("")).get_current_head()


def alembic_config(url: str) -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    # Not an ini option: a % in a password would be read as interpolation.
    config.attributes["url"] = url
    return config


def _missing_file(url: URL) -> Path | None:
    """That of a SQLite database which is not there."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    file = Path(url.database)
    return None if file.exists() else file


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        # SQLAlchemy's own message quotes the URL, and with it the password.
        raise CatalogError("NOONGIL_DATABASE_URL is not a database URL") from error
    if "@" in (parsed.host or ""):  # half a password, which libpq's message would quote
        raise CatalogError("NOONGIL_DATABASE_URL: an @ in a password is written %40")
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if (kind := parsed.get_backend_name()) not in {"sqlite", "postgresql"}:
        raise CatalogError(f"databases are sqlite and postgresql, not {kind!r}")
    return parsed


def _engine(url: str, *, foreign_keys: bool) -> Engine:
    parsed = _parse(url)
    try:
        # Errors go to the log: there the values of a statement, a query's text among them, do not.
        engine = create_engine(
            parsed, pool_pre_ping=True, hide_parameters=True, connect_args=_patience(parsed)
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise CatalogError("NOONGIL_DATABASE_URL names no known driver") from error
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", partial(_configure_sqlite, foreign_keys))
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _patience(url: URL) -> dict[str, int]:
    if url.get_backend_name() != "postgresql":
        return {}
    return {name: value for name, value in _POSTGRES_PATIENCE.items() if name not in url.query}


def _configure_sqlite(
    foreign_keys: bool,  # noqa: FBT001
    connection: DBAPIConnection,
    _: ConnectionPoolEntry,
) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _begin_sqlite
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_SQLITE_BUSY_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        f"foreign_keys={int(foreign_keys)}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
