"""Changes taken into the active version in place, where Milvus holds it.

First Milvus, then the number: only when searches see what was written is the version's change
number raised, in one transaction, and servers drop from their deltas what it covers. Whatever
crashes before leaves the deltas as they were, which hide what Milvus already has of these images,
and the next run writes the same again.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from indexer.attributes import Attributes
from indexer.backends.milvus import schema
from indexer.backends.milvus.connection import Milvus, connect
from indexer.backends.milvus.fields import read_kinds, write_kinds
from indexer.backends.milvus.opening import place_of
from indexer.building.index_spec import MIN_IVF
from indexer.catalog import repository
from indexer.catalog.tables import Collection, IndexVersion
from indexer.columns.arrow import columns_of
from indexer.columns.collect import collect, rows_of
from indexer.columns.column import FieldKind
from indexer.errors import VersionDamaged
from indexer.live.changes import Changes, Space, read_changes
from indexer.versions.manifest import Manifest, read_manifest
from indexer.writing import Writing

logger = logging.getLogger(__name__)

_MOST = 100_000
"""Images. Of more, a new version is built."""
_AT_ONCE = 1_000
_GROWTH = 2
"""Times the images that its index was made of: a larger one is calibrated anew."""
_STALENESS_SECONDS = 5.0
"""By which searches of a cluster may lag behind (consistency level Bounded)."""


def can_absorb(work: Writing, owner: Collection, version: IndexVersion) -> bool:
    """Whether it is the active version, with nothing on its way, that something changed since, and
    that Milvus holds it.
    """
    is_serving = version.id == owner.active_version_id and owner.next_version_id is None
    is_behind = version.change_number < owner.change_number
    if not (is_serving and is_behind) or work.options.build.milvus is None:
        return False
    try:
        return read_manifest(work.folder.version(version.name)).milvus is not None
    except VersionDamaged:
        return False


def absorb(work: Writing, version: IndexVersion) -> bool:
    """All that changed since. False, and nothing done, where that is too much for it.

    Raises IndexAway, LeaseLost.
    """
    assert work.options.build.milvus is not None  # noqa: S101 - can_absorb says so
    milvus, folder = connect(work.options.build.milvus), work.folder.version(version.name)
    manifest = read_manifest(folder)
    space = Space(work.collection_id, version.encoder_fingerprint, manifest.dim)
    with work.database.read() as session:
        changes = read_changes(session, work.folder, space, version.change_number, _MOST)
    if changes.left_out or _outgrows(manifest, version.count + len(changes.ids)):
        return False
    work.progress.start("absorb", len(changes.ids))
    kinds = read_kinds(folder, manifest)
    changed = _in_kinds(changes, kinds)
    write_kinds(folder, kinds | changed.kinds)
    collection = place_of(folder, manifest).collection
    _write(work, milvus, collection, changes, changed.values)
    _wait_until_seen(milvus, collection)
    _raise_number(work, version, changes.change_number, milvus.count(collection))
    logger.info("%s absorbed %d images", version.name, len(changes.ids))
    return True


def _outgrows(manifest: Manifest, images: int) -> bool:
    """Whether so many ask for another index than the version has, or for another calibration."""
    if manifest.is_exact:
        return manifest.count < MIN_IVF <= images
    return images > _GROWTH * manifest.count


def _write(
    work: Writing,
    milvus: Milvus,
    collection: str,
    changes: Changes,
    attributes: Sequence[Attributes],
) -> None:
    """The lease is asked for before each batch: who lost it overwrites nothing newer."""
    unembedded = np.setdiff1d(np.fromiter(changes.attributes, np.int64), changes.ids)
    gone = np.union1d(changes.deleted, unembedded)
    for start in range(0, len(gone), _AT_ONCE):
        _require_lease(work)
        schema.remove(milvus, collection, gone[start : start + _AT_ONCE])
    alive = np.flatnonzero(~np.isin(changes.ids, changes.deleted))
    for start in range(0, len(alive), _AT_ONCE):
        batch = alive[start : start + _AT_ONCE]
        _require_lease(work)
        held = [attributes[number] for number in batch.tolist()]
        schema.write(milvus, collection, changes.ids[batch], changes.vectors[batch], held)
        work.progress.advance(len(batch))


def _require_lease(work: Writing) -> None:
    with work.database.write() as session:
        work.lease.guard(session)


def _wait_until_seen(milvus: Milvus, collection: str) -> None:
    schema.flush(milvus, collection)
    if not milvus.options.is_lite:
        time.sleep(_STALENESS_SECONDS)


def _raise_number(work: Writing, version: IndexVersion, number: int, count: int) -> None:
    with work.database.write() as session:
        work.lease.guard(session)
        absorbed = session.get_one(IndexVersion, version.id)
        absorbed.change_number, absorbed.count = number, count
        repository.announce_change(session)


class _InKinds(NamedTuple):
    values: list[Attributes]
    """Of the changed images, by number, without values of another kind than their field's."""
    kinds: dict[str, FieldKind]
    """Of their fields, as they are from now on."""


def _in_kinds(changes: Changes, known: Mapping[str, FieldKind]) -> _InKinds:
    """A field of dates becomes one of texts with the first text that is no date."""
    batch = collect((changes.attributes.get(image, {}) for image in changes.ids.tolist()), known)
    found = columns_of(batch, len(changes.ids)).kinds
    kinds = {
        name: kind if known.get(name, "date") == "date" else known[name]
        for name, kind in found.items()
    }
    return _InKinds(rows_of(batch, 0, len(changes.ids)), kinds)
