"""The catalog, for who is not a server."""

from app.config import Settings
from indexer.catalog.db import Database, require_current


def open_catalog(settings: Settings) -> Database:
    """Reached, and at the revision that this program needs. Raises CatalogError."""
    database = Database(settings.database_url)
    require_current(database)
    return database
