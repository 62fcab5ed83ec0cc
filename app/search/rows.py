"""What hits show of their images: read from the catalog once, then kept in memory."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from indexer.catalog import repository
from indexer.catalog.db import Database
from indexer.catalog.tables import Collection
from indexer.errors import UnknownCollection

MAX_ROWS = 20_000
"""Kept of one collection, about 15 MB with paths of usual length; the first read go first."""


class NotHeld(LookupError):
    """Some of the rows are not in memory."""


@dataclass(frozen=True, slots=True)
class Row:
    image_id: int
    key: str
    uri: str
    thumbnail: str
    width: int
    height: int
    attributes: dict[str, Any] | None
    """None where they were not asked for."""


class ImageRows:
    """The images of one collection as the catalog has them. Whoever follows the catalog tells which
    of them changed. Safe to use from several threads at once.
    """

    def __init__(
        self, database: Database, collection_id: int, collection: str, *, attributes: bool
    ) -> None:
        self._database = database
        self._collection_id = collection_id
        self._collection = collection
        self._attributes = attributes
        self._rows: OrderedDict[int, Row | None] = OrderedDict()
        """None for an image that is gone: its id never comes back."""
        self._forgotten = 0
        """How often something was: what was read before that is not kept after it."""
        self._lock = threading.Lock()

    def held(self, ids: Sequence[int]) -> dict[int, Row]:
        """The images of those ids that exist. Raises NotHeld where that takes a look."""
        rows = self._rows
        try:
            return {image: row for image in ids if (row := rows[image]) is not None}
        except KeyError as missing:
            raise NotHeld from missing

    def read(self, ids: Sequence[int]) -> dict[int, Row]:
        """The same, blocking: what is not in memory is read. Raises SQLAlchemyError;
        UnknownCollection where all of it is gone.
        """
        with self._lock:
            known = {image: self._rows[image] for image in ids if image in self._rows}
            forgotten = self._forgotten
        missing = [image for image in ids if image not in known]
        if missing:
            found = self._read(missing)
            known |= {image: found.get(image) for image in missing}
            self._keep({image: known[image] for image in missing}, forgotten)
        return {image: row for image, row in known.items() if row is not None}

    def forget(self, changed: AbstractSet[int] | None) -> None:
        """Read them again when they are asked for; None: all."""
        with self._lock:
            self._forgotten += 1
            if changed is None:
                self._rows.clear()
            else:
                for image in changed:
                    self._rows.pop(image, None)

    def _read(self, ids: Sequence[int]) -> dict[int, Row]:
        with self._database.read() as session:
            found = repository.shown_images(
                session, self._collection_id, ids, attributes=self._attributes
            )
            rows = {image.id: self._row(image) for image in found}
            if not rows and session.get(Collection, self._collection_id) is None:
                raise UnknownCollection(self._collection)
            return rows

    def _row(self, image: repository.ShownImage) -> Row:
        return Row(
            image_id=image.id,
            key=image.key,
            uri=image.uri,
            thumbnail=thumbnail_path(self._collection, image.key),
            width=image.width,
            height=image.height,
            attributes=image.attributes,
        )

    def _keep(self, rows: Mapping[int, Row | None], forgotten: int) -> None:
        with self._lock:
            if forgotten != self._forgotten:
                return  # some may have changed after they were read
            self._rows.update(rows)
            while len(self._rows) > MAX_ROWS:
                self._rows.popitem(last=False)


def thumbnail_path(collection: str, key: str) -> str:
    return f"/v1/collections/{quote(collection)}/images/{quote(key)}/thumbnail"
