"""Queries on the catalog. Nothing here commits: the caller's unit of work does."""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, literal, null, select, text, update
from sqlalchemy.orm import Session

from indexer.catalog.tables import (
    API_SOURCE,
    Collection,
    Embedding,
    Image,
    IndexVersion,
    Shard,
    Source,
    Tombstone,
)
from indexer.errors import CollectionExists, UnknownCollection, UnknownVersion
from models.types import EncoderSpec

CHANGES_CHANNEL = "noongil_changes"
"""Where PostgreSQL tells who listens that a transaction changed a collection."""

_IN_CHUNK = 500


def collections(session: Session) -> Sequence[Collection]:
    return session.scalars(select(Collection).order_by(Collection.name)).all()


def collection(session: Session, name: str) -> Collection:
    """Raises UnknownCollection."""
    found = session.scalar(select(Collection).where(Collection.name == name))
    if found is None:
        raise UnknownCollection(name)
    return found


def locked_collection(session: Session, collection_id: int) -> Collection:
    """The collection's row, which nobody else changes until the transaction ends.

    Raises UnknownCollection.
    """
    found = session.scalar(
        select(Collection)
        .where(Collection.id == collection_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise UnknownCollection(str(collection_id))
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
    for table in (Image, Embedding, Tombstone, IndexVersion, Shard, Source):
        session.execute(delete(table).where(table.collection_id == collection_id))
    session.execute(delete(Collection).where(Collection.id == collection_id))
    announce_change(session)


def announce_change(session: Session) -> None:
    """Wake who listens, once this transaction is committed. Who polls needs no waking."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"NOTIFY {CHANGES_CHANNEL}"))


def bump_change_number(session: Session, collection_id: int) -> int:
    """Count one change of the collection; the row stays locked until the transaction ends."""
    announce_change(session)
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


def scanned_sources(session: Session, collection_id: int) -> list[str]:
    """URIs of the sources that a run can scan: not the API."""
    uris = select(Source.uri).where(Source.collection_id == collection_id)
    return list(session.scalars(uris.where(Source.uri != API_SOURCE).order_by(Source.id)))


def not_of_api(session: Session, ids: Sequence[int]) -> list[int]:
    """Those of the images that the API has not taken over."""
    scanned = select(Image.id).join(Source).where(Source.uri != API_SOURCE)
    found: list[int] = []
    for start in range(0, len(ids), _IN_CHUNK):
        found += session.scalars(scanned.where(Image.id.in_(ids[start : start + _IN_CHUNK])))
    return found


def bury(session: Session, ids: Sequence[int], change_number: int, *, is_final: bool) -> None:
    """Delete the images, and leave a tombstone for each."""
    buried = select(
        Image.collection_id, Image.id, Image.key, literal(change_number), literal(is_final)
    )
    columns = ["collection_id", "image_id", "key", "change_number", "is_final"]
    for start in range(0, len(ids), _IN_CHUNK):
        chosen = Image.id.in_(ids[start : start + _IN_CHUNK])
        session.execute(insert(Tombstone).from_select(columns, buried.where(chosen)))
        session.execute(delete(Image).where(chosen))


def finally_deleted(session: Session, collection_id: int, keys: Sequence[str]) -> set[str]:
    """Those of the keys that were deleted through the API."""
    final = select(Tombstone.key).where(
        Tombstone.collection_id == collection_id, Tombstone.is_final
    )
    found: set[str] = set()
    for start in range(0, len(keys), _IN_CHUNK):
        some = keys[start : start + _IN_CHUNK]
        found.update(session.scalars(final.where(Tombstone.key.in_(some))))
    return found


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
