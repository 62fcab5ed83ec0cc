"""What changed in a collection since a change number, as one encoder sees it."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from indexer.attributes import Attributes
from indexer.catalog.tables import (
    API_SOURCE,
    Collection,
    Embedding,
    Image,
    Shard,
    Source,
    Tombstone,
)
from indexer.embedding.shards import read_shard
from indexer.errors import UnknownCollection
from indexer.layout import CollectionFolder

logger = logging.getLogger(__name__)

_MOST_NAMED = 20_000
"""Changed images whose ids are listed; where more changed, anything kept of images may be old."""

_IN_CHUNK = 1_000


@dataclass(frozen=True)
class Space:
    """Whose vectors are compared: a collection's, by one encoder."""

    collection_id: int
    fingerprint: str
    dim: int
    regions: int = 1
    """Embeddings of each image."""

    @property
    def row_dim(self) -> int:
        return self.regions * self.dim


@dataclass(frozen=True)
class Changes:
    change_number: int
    """The collection's: everything up to it is in here, and nothing later."""
    ids: NDArray[np.int64]
    """Shape (n,): images that changed and have an embedding."""
    vectors: NDArray[np.float16]
    """Shape (n, row_dim)."""
    from_api: NDArray[np.bool_]
    """Shape (n,): whether the image came through the API."""
    deleted: NDArray[np.int64]
    changed: frozenset[int] | None
    """All that changed or were deleted; None where that is too many to name."""
    waiting: int
    """Images that changed and have no embedding of this encoder."""
    left_out: int
    """Images that did not fit, or whose embedding cannot be read."""
    attributes: Mapping[int, Attributes] = field(default_factory=dict)
    """Of the images that changed and fit, embedded or not."""


def read_changes(
    session: Session,
    folder: CollectionFolder,
    space: Space,
    after: int,
    limit: int,
    room: int | None = None,
) -> Changes:
    """All changes with a number greater than `after`.

    At most `limit` images, embedded or not: those of the API first; those of indexing runs, in the
    order in which they changed, up to `room` where that is less. Raises UnknownCollection.

    The session has read nothing yet: all is read as it was at one moment.
    """
    if session.get_bind().dialect.name == "postgresql":  # SQLite does so anyway
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    number = session.scalar(
        select(Collection.change_number).where(Collection.id == space.collection_id)
    )
    if number is None:
        raise UnknownCollection(str(space.collection_id))
    chosen, total = _changed(session, space.collection_id, after, limit, room)
    embeddings = _embeddings(session, space, [image.content_hash for image in chosen])
    deleted = _deleted(session, space.collection_id, after)
    embedded = [image for image in chosen if image.content_hash in embeddings]
    read = _read_vectors(folder, embedded, embeddings, space.row_dim)
    unread = len(embedded) - len(read.ids)
    named = frozenset({image.id for image in chosen} | {*deleted.tolist()})
    return Changes(
        change_number=number,
        ids=read.ids,
        vectors=read.vectors,
        from_api=read.from_api,
        deleted=deleted,
        changed=named if len(chosen) == total and len(named) <= _MOST_NAMED else None,
        waiting=len(chosen) - len(embedded),
        left_out=total - len(chosen) + unread,
        attributes={image.id: image.attributes for image in chosen},
    )


class _Changed(NamedTuple):
    id: int
    content_hash: str
    from_api: bool
    attributes: Attributes


class _Place(NamedTuple):
    """Where an embedding is: the vector itself, or a shard's path and the row in it."""

    vector: bytes | None
    path: str | None
    shard_row: int | None


def _changed(
    session: Session, collection_id: int, after: int, limit: int, room: int | None
) -> tuple[list[_Changed], int]:
    """Images to be read, and how many changed in all.

    Statements of one table each: from a join PostgreSQL may make a scan of all embeddings.
    """
    api = session.scalar(
        select(Source.id).where(Source.collection_id == collection_id, Source.uri == API_SOURCE)
    )
    newer = (Image.collection_id == collection_id, Image.change_number > after)
    in_order = (
        select(Image.id, Image.content_hash, Image.source_id, Image.attributes)
        .where(*newer)
        .order_by(Image.change_number, Image.id)
    )
    found = session.execute(in_order.limit(limit + 1)).all()
    own = [row for row in found if row.source_id == api]
    runs = [row for row in found if row.source_id != api]
    total = len(found)
    if total > limit:
        own = list(session.execute(in_order.where(Image.source_id == api).limit(limit)).all())
        total = session.scalars(select(func.count()).select_from(Image).where(*newer)).one()
    left = limit - len(own)
    chosen = own + runs[: left if room is None else max(0, min(room, left))]
    return [
        _Changed(row.id, row.content_hash, row.source_id == api, row.attributes) for row in chosen
    ], total


def _embeddings(session: Session, space: Space, hashes: Sequence[str]) -> dict[str, _Place]:
    """Those of the contents that the encoder has embedded."""
    found: dict[str, _Place] = {}
    for start in range(0, len(hashes), _IN_CHUNK):
        rows = session.execute(
            select(Embedding.content_hash, Embedding.vector, Shard.path, Embedding.shard_row)
            .outerjoin(Shard, Shard.id == Embedding.shard_id)
            .where(
                Embedding.collection_id == space.collection_id,
                Embedding.encoder_fingerprint == space.fingerprint,
                Embedding.content_hash.in_(hashes[start : start + _IN_CHUNK]),
            )
        )
        found.update(
            (row.content_hash, _Place(row.vector, row.path, row.shard_row)) for row in rows
        )
    return found


def _deleted(session: Session, collection_id: int, after: int) -> NDArray[np.int64]:
    buried = select(Tombstone.image_id).where(
        Tombstone.collection_id == collection_id, Tombstone.change_number > after
    )
    return np.fromiter(session.scalars(buried), np.int64)


@dataclass(frozen=True)
class _Read:
    ids: NDArray[np.int64]
    vectors: NDArray[np.float16]
    from_api: NDArray[np.bool_]


def _read_vectors(
    folder: CollectionFolder,
    images: Sequence[_Changed],
    embeddings: Mapping[str, _Place],
    row_dim: int,
) -> _Read:
    """Of those whose embedding can be read; the others are logged."""
    vectors = np.zeros((len(images), row_dim), np.float16)
    readable = np.zeros(len(images), bool)
    in_shards: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, image in enumerate(images):
        place = embeddings[image.content_hash]
        if place.path is not None and place.shard_row is not None:
            in_shards[place.path].append((number, place.shard_row))
        elif place.vector is not None and len(place.vector) == vectors.itemsize * row_dim:
            vectors[number] = np.frombuffer(place.vector, "<f2")
            readable[number] = True
    for path, places in in_shards.items():
        numbers, rows = (list(column) for column in zip(*places, strict=True))
        try:
            vectors[numbers] = read_shard(folder.shards, path)[rows]
            readable[numbers] = True
        except (OSError, ValueError, IndexError) as error:
            logger.error("shard %s cannot be read: %s", path, error)  # noqa: TRY400 - no bug
    if not readable.all():
        logger.error("%d embeddings cannot be read", np.count_nonzero(~readable))
    ids = np.array([image.id for image in images], np.int64)
    from_api = np.array([image.from_api for image in images], bool)
    return _Read(ids[readable], vectors[readable], from_api[readable])
