"""Thumbnails: made once, kept by content, free of metadata."""

import hashlib
import io
from pathlib import Path

from app.errors import NotFound
from indexer.catalog.tables import API_SOURCE, Collection, Image, Source
from indexer.durable import atomic_write
from indexer.errors import Rejected, SourceError
from indexer.layout import CollectionFolder
from indexer.live.picture_store import PictureStore
from indexer.pictures.decode import DecodeLimits, decode
from indexer.sources import source_of
from indexer.sources.base import SourceItem
from indexer.sources.options import SourceOptions
from indexer.sources.web.fetch import FetchOptions

SIZES = (320, 1280)
"""Longest side in pixels: for the grid, and for the larger view."""

MEDIA_TYPE = "image/webp"
_QUALITY = 82


class Thumbnails:
    """Made in `data_dir` from originals within `limits`, fetched anew with `fetch` if need be."""

    def __init__(self, data_dir: Path, limits: DecodeLimits, fetch: FetchOptions) -> None:
        self._data_dir = data_dir
        self._folder = data_dir / "thumbnails"
        self._limits = limits
        self._options = SourceOptions(limits.max_bytes, fetch)

    def path_of(self, owner: Collection, image: Image, source: Source, size: int) -> Path:
        """The thumbnail's file, made if need be. Raises NotFound where the picture is gone."""
        digest = image.content_hash
        path = self._folder / digest[:2] / f"{digest}-{size}.webp"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                file.write(self._make(self._read(owner, image, source), size))
        return path

    def _read(self, owner: Collection, image: Image, source: Source) -> bytes:
        try:
            if source.uri == API_SOURCE:
                store = PictureStore(CollectionFolder.of(self._data_dir, owner).pictures)
                return store.read(image.content_hash)
            item = SourceItem(image.key, image.uri, image.stamp)
            data = source_of(source.uri, options=self._options).read(item)
        except (Rejected, SourceError) as error:
            raise NotFound("the picture file is no longer there") from error
        if hashlib.sha256(data).hexdigest() != image.content_hash:
            raise NotFound("the picture file has changed since it was indexed")
        return data

    def _make(self, data: bytes, size: int) -> bytes:
        picture = decode(data, limits=self._limits, min_side_hint=size).image
        picture.thumbnail((size, size), reducing_gap=2.0)
        encoded = io.BytesIO()
        picture.save(encoded, "WEBP", quality=_QUALITY)
        return encoded.getvalue()
