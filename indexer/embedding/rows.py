"""The catalog's rows of pictures that are new, changed, or the same under another date."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from indexer.catalog import repository
from indexer.catalog.tables import Image
from indexer.embedding.known import Known
from indexer.embedding.scan import SamePicture
from indexer.sources.base import SourceItem


@dataclass(eq=False, slots=True)
class Place:
    """Where an embedding lies; `shard_id` is None until its shard is committed."""

    shard_id: int | None = None
    row: int = -1


@dataclass(frozen=True, slots=True)
class NewRow:
    """A new or changed picture, on its way to the catalog; `image_id` is its row's, if any."""

    item: SourceItem
    image_id: int | None
    content_hash: str
    size: int
    format: str
    width: int
    height: int
    place: Place


def write_rows(
    session: Session,
    known: Known,
    rows: Sequence[NewRow],
    same: Sequence[SamePicture],
    shard_id: int | None,
) -> None:
    """`shard_id`: of the places that have none yet."""
    change_number = None
    if rows or any(picture.has_new_attributes for picture in same):
        change_number = repository.bump_change_number(session, known.collection_id)
    inserts, updates = [], []
    for row in rows:
        values = _columns(row, shard_id)
        values |= {"source_id": known.source_id, "change_number": change_number}
        if row.image_id is None:
            new = {"collection_id": known.collection_id, "key": row.item.key, "attributes": {}}
            inserts.append(new | values)
        else:
            updates.append({"id": row.image_id, **values})
    for picture in same:
        changed = {"change_number": change_number} if picture.has_new_attributes else {}
        updates.append({"id": picture.known.id, **_of_item(picture.item, picture.size), **changed})
    if inserts:
        session.execute(insert(Image), inserts)
    if updates:
        session.execute(update(Image), updates)


def _columns(row: NewRow, shard_id: int | None) -> dict[str, Any]:
    return {
        **_of_item(row.item, row.size),
        "content_hash": row.content_hash,
        "format": row.format,
        "width": row.width,
        "height": row.height,
        "shard_id": shard_id if row.place.shard_id is None else row.place.shard_id,
        "shard_row": row.place.row,
    }


def _of_item(item: SourceItem, size: int | None) -> dict[str, Any]:
    """What is not known goes unsaid: the row keeps what it has."""
    columns: dict[str, Any] = {"uri": item.uri, "stamp": item.stamp}
    if size is not None:
        columns["file_size"] = size
    if item.attributes is not None:
        columns["attributes"] = dict(item.attributes)
    return columns
