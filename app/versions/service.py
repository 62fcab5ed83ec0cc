"""The history of a collection, for the API and the command line alike."""

from app.versions.schemas import VersionView
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import IndexVersion
from models.regions.schemes import regions_of, split


def list_all(database: Database, collection: str) -> list[VersionView]:
    """Newest first. Raises UnknownCollection."""
    with database.read() as session:
        owner = repository.collection(session, collection)
        return [
            _view(version, owner.active_version_id)
            for version in repository.versions(session, owner.id)
        ]


def show(database: Database, collection: str, name: str) -> VersionView:
    """Raises UnknownCollection, UnknownVersion."""
    with database.read() as session:
        owner = repository.collection(session, collection)
        return _view(repository.version(session, owner, name), owner.active_version_id)


def _view(version: IndexVersion, active_id: int | None) -> VersionView:
    return VersionView(
        name=version.name,
        model=split(version.model)[0],
        regions=regions_of(version.model),
        index=version.factory,
        images=version.count,
        size_bytes=version.size_bytes,
        change_number=version.change_number,
        active=version.id == active_id,
        created_at=version.created_at,
    )
