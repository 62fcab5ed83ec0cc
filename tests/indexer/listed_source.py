"""A source whose entries and files the test lists: for what no folder can be made to do."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from PIL import Image

from indexer.attributes import Attributes
from indexer.sources.base import SourceEntry, SourceItem


class ListedSource:
    """`files` by key; a file that is a function is called when it is read."""

    def __init__(
        self,
        entries: Iterable[SourceEntry],
        files: Mapping[str, bytes | Callable[[], bytes]],
        readers: int = 2,
    ) -> None:
        self.uri = "list:///"
        self.readers = readers
        self.entries = entries
        self.files = files

    def count(self) -> int | None:
        return None

    def __iter__(self) -> Iterator[SourceEntry]:
        yield from self.entries

    def read(self, item: SourceItem) -> bytes:
        file = self.files[item.key]
        return file() if callable(file) else file


def item(
    key: str,
    stamp: str | None = "1",
    attributes: Attributes | None = None,
    data: bytes | None = None,
) -> SourceItem:
    return SourceItem(key, f"list:///{key}", stamp, attributes, data)


def png(number: int, side: int = 12) -> bytes:
    """A picture of noise, another for every number."""
    pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


def listed(count: int, readers: int = 2) -> ListedSource:
    """So many pictures, 000 and on."""
    keys = [f"{number:03}" for number in range(count)]
    return ListedSource(map(item, keys), {key: png(int(key)) for key in keys}, readers)
