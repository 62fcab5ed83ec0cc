"""Alembic's environment: the URL comes from the caller or, on the command line, the settings."""

from alembic import context

import app.auth.tables
import app.jobs.tables  # known to the metadata by being imported, as the others
import app.suggest.tables
from app.config import Settings
from indexer.catalog.db import Database
from indexer.catalog.tables import Base


def run() -> None:
    url = context.config.attributes.get("url") or Settings().database_url
    database = Database(url, foreign_keys=False)
    try:
        with database.engine.connect() as connection:
            context.configure(
                connection=connection,
                target_metadata=Base.metadata,
                transactional_ddl=True,
                include_name=_is_ours,
                # SQLite cannot alter a table in place: Alembic copies it.
                render_as_batch=connection.dialect.name == "sqlite",
            )
            with context.begin_transaction():
                context.run_migrations()
    finally:
        database.close()


def _is_ours(name: str | None, kind: str, _: object) -> bool:
    """The queue of jobs makes its own tables, in PostgreSQL beside these."""
    return kind != "table" or not (name or "").startswith(app.jobs.tables.QUEUE_TABLES)


run()
