"""Queries on the catalog. Nothing here commits: the caller's unit of work does."""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, func, null, select, update
from sqlalchemy.orm import Session

from indexer.catalog.tables import Collection, Image, IndexVersion, Shard, Source
from indexer.errors import CollectionExists, UnknownCollection, UnknownVersion
from models.types import EncoderSpec

_IN_CHUNK = 500


def collections(session: Session) -> Sequence[Collection]:
    return session.scalars(select(Collection).order_by(Collection.name)).all()


def collection(session: Session, name: str) -> Collection:
    """Raises UnknownCollection."""
    found = session.scalar(select(Collection).where(Collection.name == name))
    if found is None:
        raise UnknownCollection(name)
    return found


def add_collection(
    session: Session, name: str, model: str, encoder: EncoderSpec, recall: float
) -> Collection:
    """Raises CollectionExists."""
    if session.scalar(select(Collection.id).where(Collection.name == name)) is not None:
        raise CollectionExists(name)
    created = Collection(
        name=name,
        folder=f"{name}-{secrets.token_hex(4)}",
        model=model,
        encoder_fingerprint=encoder.fingerprint,
        dim=encoder.dim,
        recall=recall,
    )
    session.add(created)
    session.flush()
    return created


def delete_collection(session: Session, collection_id: int) -> None:
    session.execute(
        update(Collection).where(Collection.id == collection_id).values(active_version_id=None)
    )
    for table in (Image, IndexVersion, Shard, Source):
        session.execute(delete(table).where(table.collection_id == collection_id))
    session.execute(delete(Collection).where(Collection.id == collection_id))


def bump_change_number(session: Session, collection_id: int) -> int:
    """Count one change of the collection; the row stays locked until the transaction ends."""
    number = session.scalar(
        update(Collection)
        .where(Collection.id == collection_id)
        .values(change_number=Collection.change_number + 1)
        .returning(Collection.change_number)
    )
    if number is None:
        raise UnknownCollection(str(collection_id))
    return int(number)


def source(session: Session, collection_id: int, uri: str) -> Source:
    """The collection's source of that URI, added where it is new."""
    found = session.scalar(
        select(Source).where(Source.collection_id == collection_id, Source.uri == uri)
    )
    if found is None:
        found = Source(collection_id=collection_id, uri=uri)
        session.add(found)
        session.flush()
    return found


def delete_images(session: Session, ids: Sequence[int]) -> None:
    for start in range(0, len(ids), _IN_CHUNK):
        session.execute(delete(Image).where(Image.id.in_(ids[start : start + _IN_CHUNK])))


def image_count(session: Session, collection_id: int) -> int:
    counted = select(func.count(Image.id)).where(Image.collection_id == collection_id)
    return session.scalars(counted).one()


def image(session: Session, collection_id: int, key: str) -> Image | None:
    return session.scalar(
        select(Image).where(Image.collection_id == collection_id, Image.key == key)
    )


def attributes_of(session: Session, ids: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Those of the ids that have any."""
    for start in range(0, len(ids), _IN_CHUNK):
        chosen = Image.id.in_(ids[start : start + _IN_CHUNK])
        yield from filter(None, session.scalars(select(Image.attributes).where(chosen)))


class ShownImage(NamedTuple):
    """What a hit shows of its image."""

    id: int
    key: str
    uri: str
    width: int
    height: int
    attributes: dict[str, Any] | None
    """None where they were not asked for."""


def shown_images(
    session: Session, collection_id: int, ids: Sequence[int], *, attributes: bool
) -> Iterator[ShownImage]:
    """Those of the ids that (still) exist, as plain columns: no row becomes an object to track."""
    shown = select(
        Image.id,
        Image.key,
        Image.uri,
        Image.width,
        Image.height,
        Image.attributes if attributes else null(),
    ).where(Image.collection_id == collection_id)
    for start in range(0, len(ids), _IN_CHUNK):
        chosen = Image.id.in_(ids[start : start + _IN_CHUNK])
        yield from map(ShownImage._make, session.execute(shown.where(chosen)))


def versions(session: Session, collection_id: int) -> Sequence[IndexVersion]:
    """Newest first."""
    return session.scalars(
        select(IndexVersion)
        .where(IndexVersion.collection_id == collection_id)
        .order_by(IndexVersion.id.desc())
    ).all()


def version(session: Session, owner: Collection, name: str) -> IndexVersion:
    """Raises UnknownVersion."""
    found = session.scalar(
        select(IndexVersion).where(
            IndexVersion.collection_id == owner.id, IndexVersion.name == name
        )
    )
    if found is None:
        raise UnknownVersion(owner.name, name)
    return found
