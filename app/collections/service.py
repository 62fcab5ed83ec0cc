"""What can be done with collections, for the API and the command line alike."""

import logging
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.collections.schemas import CollectionView, NewCollection
from indexer.backends.milvus.connection import MilvusOptions, connect
from indexer.backends.milvus.versions import forget
from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection
from indexer.errors import CollectionExists
from indexer.layout import CollectionFolder
from indexer.lease import hold
from models.regions.schemes import regions_of, split
from models.types import EncoderSpec

logger = logging.getLogger(__name__)


def list_all(database: Database) -> list[CollectionView]:
    with database.read() as session:
        return [_view(session, owner) for owner in repository.collections(session)]


def show(database: Database, name: str) -> CollectionView:
    """Raises UnknownCollection."""
    with database.read() as session:
        return _view(session, repository.collection(session, name))


def folder_of(database: Database, data_dir: Path, name: str) -> CollectionFolder:
    """Raises UnknownCollection."""
    with database.read() as session:
        return CollectionFolder.of(data_dir, repository.collection(session, name))


def create(
    database: Database, new: NewCollection, encoder: EncoderSpec, recall: float
) -> CollectionView:
    """Raises CollectionExists."""
    try:
        with database.write() as session:
            owner = repository.add_collection(
                session, new.name, encoder.id, encoder, new.recall or recall
            )
            return _view(session, owner)
    except IntegrityError as error:  # another made it between the look and the insert
        raise CollectionExists(new.name) from error


def delete(
    database: Database,
    data_dir: Path,
    name: str,
    lease_seconds: float,
    milvus: MilvusOptions | None = None,
) -> None:
    """The rows first: what a crash leaves of the files belongs to no collection. What Milvus holds
    goes with them, if it answers.

    Raises UnknownCollection, CollectionBusy.
    """
    with database.read() as session:
        owner = repository.collection(session, name)
    with hold(database, owner.id, lease_seconds) as lease:
        with database.write() as session:
            lease.guard(session)
            repository.delete_collection(session, owner.id)
        shutil.rmtree(CollectionFolder.of(data_dir, owner).root, onerror=_say_left)
        if milvus is not None:
            forget(connect(milvus), owner.folder)


def _say_left(_: object, path: str, raised: Any) -> None:
    if not isinstance(raised[1], FileNotFoundError):
        logger.warning("of a deleted collection is left: %s: %s", path, raised[1])


def _view(session: Session, owner: Collection) -> CollectionView:
    active, (model, _) = owner.active_version, split(owner.model)
    return CollectionView(
        name=owner.name,
        model=model,
        regions=regions_of(owner.model),
        dim=owner.dim,
        recall=owner.recall,
        images=repository.image_count(session, owner.id),
        change_number=owner.change_number,
        active_version=active.name if active else None,
        indexed=active.count if active else 0,
        created_at=owner.created_at,
    )
