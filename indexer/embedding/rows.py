"""The catalog's rows of pictures that are new, changed, or the same under another date."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from indexer.attributes import fingerprint_of
from indexer.catalog import repository
from indexer.catalog.tables import Embedding, Image, Shard
from indexer.embedding.known import Embedded, KnownImage
from indexer.embedding.scan import SamePicture
from indexer.embedding.shards import ShardFile
from indexer.sources.base import SourceItem

logger = logging.getLogger(__name__)

_IN_QUERY = 500


@dataclass(frozen=True, slots=True)
class NewRow:
    """A new or changed picture, on its way to the catalog; `known` is the row that its key has."""

    item: SourceItem
    known: KnownImage | None
    content_hash: str
    size: int
    format: str
    width: int
    height: int


def write_rows(
    session: Session,
    collection_id: int,
    source_id: int | None,
    rows: Sequence[NewRow],
    same: Sequence[SamePicture],
) -> None:
    """The caller holds the collection's row. What the API wrote since a row was looked up stays."""
    fresh = _Fresh(session, collection_id, [*rows, *same])
    rows = [row for row in rows if fresh.is_as_known(row)]
    same = [picture for picture in same if fresh.is_as_known(picture)]
    change_number = None
    if rows or any(picture.has_new_attributes for picture in same):
        change_number = repository.bump_change_number(session, collection_id)
    inserts, updates = [], []
    for row in rows:
        values = _columns(row) | {"source_id": source_id, "change_number": change_number}
        if row.known is None:
            new = {"collection_id": collection_id, "key": row.item.key}
            inserts.append(new | {"attributes": {}, "attributes_given": None} | values)
        else:
            updates.append({"id": row.known.id, **values})
    for picture in same:
        changed = {"change_number": change_number} if picture.has_new_attributes else {}
        updates.append({"id": picture.known.id, **_of_item(picture.item, picture.size), **changed})
    if inserts:
        session.execute(insert(Image), inserts)
    if updates:
        session.execute(update(Image), updates)


def add_shard(session: Session, embedded: Embedded, file: ShardFile) -> int:
    """List a shard that is on disk; its id."""
    shard = Shard(
        collection_id=embedded.collection_id,
        path=file.path,
        encoder_fingerprint=embedded.fingerprint,
        rows=file.rows,
        sha256=file.sha256,
    )
    session.add(shard)
    session.flush()
    return shard.id


def write_embeddings(
    session: Session,
    embedded: Embedded,
    contents: Sequence[str],
    places: Sequence[Mapping[str, Any]],
) -> None:
    """Where what the encoder made of each of the contents is; what was said of them before, of a
    damaged shard, is forgotten.
    """
    for start in range(0, len(contents), _IN_QUERY):
        session.execute(
            delete(Embedding).where(
                Embedding.collection_id == embedded.collection_id,
                Embedding.encoder_fingerprint == embedded.fingerprint,
                Embedding.content_hash.in_(contents[start : start + _IN_QUERY]),
            )
        )
    of_encoder = {
        "collection_id": embedded.collection_id,
        "encoder_fingerprint": embedded.fingerprint,
    }
    session.execute(
        insert(Embedding),
        [
            {**of_encoder, "content_hash": content, **place}
            for content, place in zip(contents, places, strict=True)
        ],
    )


def vector_bytes(vector: NDArray[np.float32]) -> bytes:
    """A (dim,) embedding as the catalog keeps it."""
    return vector.astype("<f2").tobytes()


class _Fresh:
    """The rows of some keys as they are now."""

    def __init__(
        self, session: Session, collection_id: int, found: Sequence[NewRow | SamePicture]
    ) -> None:
        self._change_numbers: dict[str, int] = {}
        keys = [one.item.key for one in found]
        for start in range(0, len(keys), _IN_QUERY):
            rows = session.execute(
                select(Image.key, Image.change_number).where(
                    Image.collection_id == collection_id,
                    Image.key.in_(keys[start : start + _IN_QUERY]),
                )
            )
            self._change_numbers |= {row.key: row.change_number for row in rows}
        new = [one.item.key for one in found if one.known is None]
        self._deleted = repository.finally_deleted(session, collection_id, new)

    def is_as_known(self, found: NewRow | SamePicture) -> bool:
        key = found.item.key
        before = None if found.known is None else found.known.change_number
        if self._change_numbers.get(key) == before and key not in self._deleted:
            return True
        logger.info("%r was changed through the API meanwhile, and stays as it is", key)
        return False


def _columns(row: NewRow) -> dict[str, Any]:
    return {
        **_of_item(row.item, row.size),
        "content_hash": row.content_hash,
        "format": row.format,
        "width": row.width,
        "height": row.height,
    }


def _of_item(item: SourceItem, size: int | None) -> dict[str, Any]:
    """What is not known goes unsaid: the row keeps what it has."""
    columns: dict[str, Any] = {"uri": item.uri, "stamp": item.stamp}
    if size is not None:
        columns["file_size"] = size
    if item.attributes is not None:
        columns["attributes"] = dict(item.attributes)
        columns["attributes_given"] = fingerprint_of(item.attributes)
    return columns
