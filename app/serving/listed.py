"""Collections as the catalog lists them at one moment: plain columns, in one query."""

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from indexer.catalog.tables import Collection, IndexVersion
from indexer.live.changes import Space
from models.regions.schemes import RegionScheme, split


class Listed(NamedTuple):
    """The fields of a collection's row that decide what is served of it."""

    id: int
    name: str
    folder: str
    recall: float
    model: str
    encoder_fingerprint: str
    dim: int
    change_number: int
    active_version_id: int | None
    next_version_id: int | None
    absorbed: int | None
    """The change number of the active version, which grows where Milvus holds it."""
    indexed: int | None
    """Images of the active version."""

    @property
    def space(self) -> Space:
        scheme = self.regions
        count = 1 if scheme is None else scheme.count
        return Space(self.id, self.encoder_fingerprint, self.dim, count)

    @property
    def regions(self) -> RegionScheme | None:
        return split(self.model)[1]


_OF_VERSION = {"absorbed": IndexVersion.change_number, "indexed": IndexVersion.count}
_LISTED = select(
    *(_OF_VERSION.get(field) or getattr(Collection, field) for field in Listed._fields)
).outerjoin(IndexVersion, IndexVersion.id == Collection.active_version_id)


def list_collections(session: Session) -> list[Listed]:
    return [Listed._make(row) for row in session.execute(_LISTED)]


def list_one(session: Session, collection_id: int) -> Listed | None:
    """None where it is gone."""
    row = session.execute(_LISTED.where(Collection.id == collection_id)).one_or_none()
    return None if row is None else Listed._make(row)
