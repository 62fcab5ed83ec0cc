"""What the API does to a collection's images: put, patch, delete, several in one transaction.

Made ready before: the picture is decoded, stored and embedded. The transaction is short, and holds
the collection's row.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from indexer.attributes import Attributes, field_name, fingerprint_of, normalised, require_small
from indexer.catalog import repository
from indexer.catalog.tables import API_SOURCE, Collection, Embedding, Image
from indexer.errors import EncoderChanged, Rejected, RejectReason, UnknownCollection


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that was decoded; width and height are upright."""

    content_hash: str
    size: int
    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Put:
    """`vector` has the shape (dim,); None where the content was seen to have an embedding of that
    encoder. `attributes` None: those that the image has stay.
    """

    key: str
    picture: Picture
    uri: str
    encoder_fingerprint: str
    vector: NDArray[np.float16] | None
    attributes: Attributes | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """What of the attributes changes, as in a JSON merge patch (RFC 7396)."""

    key: str
    changed: Attributes
    removed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, key: str, patch: Mapping[str, object]) -> "Patch":
        """A name with None loses its value. Raises Rejected: bad_attributes."""
        changed = normalised(patch)
        removed = frozenset(field_name(name) for name, value in patch.items() if value is None)
        if both := removed & changed.keys():
            detail = f"{min(both)!r} both changes and goes"
            raise Rejected(RejectReason.BAD_ATTRIBUTES, detail)
        return cls(key, changed, removed)

    def applied_to(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Raises Rejected: bad_attributes, where they become too many."""
        kept = {name: value for name, value in attributes.items() if name not in self.removed}
        merged = kept | dict(self.changed)
        require_small(merged)
        return merged


@dataclass(frozen=True, slots=True)
class Delete:
    key: str


Write = Put | Patch | Delete


class Status(StrEnum):
    """What came of a write."""

    CREATED = "created"
    REPLACED = "replaced"
    PATCHED = "patched"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Applied:
    """`image` is the row as it is after the transaction; None where there is none."""

    status: Status
    image: Image | None = None


Outcome = Applied | Rejected


def apply(
    session: Session,
    collection: Collection,
    writes: Sequence[Write],
    require: Callable[[Attributes], None] | None = None,
) -> list[Outcome]:
    """Do the writes in their order, each seeing those before it; an outcome for each.

    `require` raises Rejected where attributes do not go with the collection's. A Rejected changes
    nothing and bars no other. Raises UnknownCollection; EncoderChanged, and nothing may be
    committed, where a Put has no embedding that the collection can use by now.
    """
    locked = repository.locked_collection(session, collection.id)
    if locked.folder != collection.folder:  # the pictures are in that of one that was deleted
        raise UnknownCollection(collection.name)
    transaction = _Transaction(session, locked, writes)
    outcomes = [transaction.outcome(write, require) for write in writes]
    session.flush()
    return outcomes


class _Transaction:
    """The rows that some writes are about, read once."""

    def __init__(self, session: Session, owner: Collection, writes: Sequence[Write]) -> None:
        self._session = session
        self._owner = owner
        keys = list({write.key for write in writes})
        self._images = {image.key: image for image in session.scalars(self._images_of(keys))}
        self._deleted = repository.finally_deleted(session, owner.id, keys)
        hashes = {write.picture.content_hash for write in writes if isinstance(write, Put)}
        self._embedded = embedded(session, owner, hashes)

    def outcome(self, write: Write, require: Callable[[Attributes], None] | None) -> Outcome:
        try:
            if require is not None:
                require(_given(write))
            match write:
                case Put():
                    return self._put(write)
                case Patch():
                    return self._patch(write)
                case Delete():
                    return self._delete(write)
        except Rejected as rejected:
            return rejected
        assert_never(write)

    def _put(self, put: Put) -> Applied:
        is_embedded_now = self._embed(put)
        image, columns = self._images.get(put.key), self._columns(put)
        if image is None:
            return Applied(Status.CREATED, self._added(put, columns))
        changes = {name: new for name, new in columns.items() if getattr(image, name) != new}
        if put.attributes is not None and not _is_same(put.attributes, image.attributes):
            changes["attributes"] = dict(put.attributes)
        if not changes and not is_embedded_now:
            return Applied(Status.UNCHANGED, image)
        self._change(image, changes)
        return Applied(Status.REPLACED, image)

    def _added(self, put: Put, columns: Mapping[str, Any]) -> Image:
        image = Image(
            collection_id=self._owner.id,
            key=put.key,
            attributes=dict(put.attributes or {}),
            change_number=self._change_number,
            **columns,
        )
        self._session.add(image)
        self._images[put.key] = image
        return image

    def _patch(self, patch: Patch) -> Applied:
        image = self._images.get(patch.key)
        if image is None:
            return Applied(Status.MISSING)
        attributes = patch.applied_to(image.attributes)
        if _is_same(attributes, image.attributes):
            return Applied(Status.UNCHANGED, image)
        changes: dict[str, Any] = {"attributes": attributes}
        if image.attributes_given is None and image.source_id != self._source_id:
            changes["attributes_given"] = fingerprint_of(image.attributes)
        self._change(image, changes)
        return Applied(Status.PATCHED, image)

    def _delete(self, delete: Delete) -> Applied:
        image = self._images.pop(delete.key, None)
        if image is not None:
            self._session.flush()  # one that this transaction made has no id before
            repository.bury(self._session, [image.id], self._change_number, is_final=True)
            self._deleted.add(delete.key)
        return Applied(Status.DELETED if delete.key in self._deleted else Status.MISSING)

    def _change(self, image: Image, changes: Mapping[str, Any]) -> None:
        for name, new in changes.items():
            flag_modified(image, name)  # to SQLAlchemy {"a": 1} and {"a": True} are the same
            setattr(image, name, new)
        image.change_number = self._change_number

    def _embed(self, put: Put) -> bool:
        """Whether the content had no embedding. Raises EncoderChanged."""
        if put.encoder_fingerprint != self._owner.encoder_fingerprint:
            raise EncoderChanged(f"collection {self._owner.name!r} has another encoder by now")
        content_hash = put.picture.content_hash
        if content_hash in self._embedded:
            return False
        if put.vector is None:
            raise EncoderChanged(f"the embedding of {put.key!r} is there no more")
        self._session.add(
            Embedding(
                collection_id=self._owner.id,
                content_hash=content_hash,
                encoder_fingerprint=put.encoder_fingerprint,
                vector=np.ascontiguousarray(put.vector, "<f2").tobytes(),
            )
        )
        self._embedded.add(content_hash)
        return True

    def _columns(self, put: Put) -> dict[str, Any]:
        """An image that another source has becomes the API's; what was noted of that goes."""
        return {
            "source_id": self._source_id,
            "uri": put.uri,
            "stamp": None,
            "file_size": put.picture.size,
            "content_hash": put.picture.content_hash,
            "format": put.picture.format,
            "width": put.picture.width,
            "height": put.picture.height,
            "attributes_given": None,
        }

    def _images_of(self, keys: Sequence[str]) -> Select[Image]:
        return select(Image).where(Image.collection_id == self._owner.id, Image.key.in_(keys))

    @cached_property
    def _source_id(self) -> int:
        return repository.source(self._session, self._owner.id, API_SOURCE).id

    @cached_property
    def _change_number(self) -> int:
        """One for the whole transaction; none is taken where nothing changes."""
        return repository.bump_change_number(self._session, self._owner.id)


def _given(write: Write) -> Attributes:
    match write:
        case Put():
            return write.attributes or {}
        case Patch():
            return write.changed
        case Delete():
            return {}


def embedded(session: Session, owner: Collection, hashes: Iterable[str]) -> set[str]:
    """Those of the contents that have an embedding of the collection's encoder."""
    found = select(Embedding.content_hash).where(
        Embedding.collection_id == owner.id,
        Embedding.encoder_fingerprint == owner.encoder_fingerprint,
        Embedding.content_hash.in_(list(hashes)),
    )
    return set(session.scalars(found))


def _is_same(one: Attributes, other: Attributes) -> bool:
    return fingerprint_of(one) == fingerprint_of(other)
