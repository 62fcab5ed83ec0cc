"""The files that a catalog names: those that a backup holds.

Not among them: thumbnails, which are made again; what was verified of a version, which is about the
files of one disk; the queue of jobs, which holds nothing but ids.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Select, func, select

from app.backup.errors import FileGone
from indexer.catalog.tables import API_SOURCE, Collection, Image, IndexVersion, Shard, Source
from indexer.durable import sha256_of
from indexer.layout import CollectionFolder
from indexer.versions.manifest import CHECKSUM, MANIFEST, read_manifest

_AT_ONCE = 1000


class NamedFile(NamedTuple):
    path: str
    """Relative to the folder of all collections."""
    sha256: str
    image: str | None = None
    """The key of an image whose picture it is."""

    def __str__(self) -> str:
        return self.path if self.image is None else f"{self.path}, the picture of {self.image!r},"


def files_of(catalog: Connection, collections: Path) -> Iterator[NamedFile]:
    """Of the catalog's collections, whose folders are in `collections`: none of them is read but
    the manifests of versions. Raises VersionDamaged, FileGone where one is not there.
    """
    yield from _versions(catalog, collections)
    yield from _shards(catalog)
    yield from _pictures(catalog)


def _versions(catalog: Connection, collections: Path) -> Iterator[NamedFile]:
    named = select(Collection.folder, IndexVersion.name).join(
        Collection, Collection.id == IndexVersion.collection_id
    )
    for root, name in catalog.execute(named).all():
        folder = CollectionFolder(Path(root)).version(name)
        manifest = read_manifest(collections / folder)
        for file, entry in manifest.files.items():
            yield NamedFile(str(folder / file), entry.sha256)
        for file in (MANIFEST, CHECKSUM):
            yield NamedFile(str(folder / file), _hash_of(collections, folder / file))


def _hash_of(collections: Path, path: Path) -> str:
    """Of a file that is in no list."""
    try:
        return sha256_of(collections / path)
    except FileNotFoundError as error:
        raise FileGone(str(path)) from error


def _shards(catalog: Connection) -> Iterator[NamedFile]:
    named = select(Collection.folder, Shard.path, Shard.sha256).join(
        Collection, Collection.id == Shard.collection_id
    )
    for root, path, sha256 in _streamed(catalog, named):
        yield NamedFile(str(CollectionFolder(Path(root)).shards / path), sha256)


def _pictures(catalog: Connection) -> Iterator[NamedFile]:
    """Of images that came through the API: nobody else has them."""
    sources = (
        select(Collection.folder, Collection.id, Source.id)
        .join(Collection, Collection.id == Source.collection_id)
        .where(Source.uri == API_SOURCE)
    )
    for root, collection_id, source_id in catalog.execute(sources).all():
        pictures = CollectionFolder(Path(root)).pictures
        # One collection at a time: an index gives its contents in order, and nothing is sorted.
        ours = (Image.collection_id == collection_id, Image.source_id == source_id)
        named = select(Image.content_hash, func.min(Image.key)).where(*ours)
        for digest, key in _streamed(catalog, named.group_by(Image.content_hash)):
            yield NamedFile(str(pictures / digest[:2] / digest), digest, key)


def _streamed(catalog: Connection, named: Select[*tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    for row in catalog.execute(named.execution_options(yield_per=_AT_ONCE)):
        yield tuple(row)
