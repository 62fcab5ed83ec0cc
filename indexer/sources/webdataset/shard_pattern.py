"""Names of the shards of a data set: `{000..009}` counts, `*` and `?` match what is there."""

import re
from collections.abc import Iterator
from pathlib import Path

from indexer.errors import Rejected, SourceError
from indexer.sources import object_store
from indexer.sources.locations import HTTP, local_path, scheme_of

_RANGE = re.compile(r"\{(\d{1,18})\.\.(\d{1,18})\}", re.ASCII)
_MAX_SHARDS = 100_000
_WILD = {"*": "[^/]*", "?": "[^/]"}


class ShardPattern:
    """`uri` names one shard or many. Raises SourceError for a range that is empty or endless."""

    def __init__(self, uri: str) -> None:
        self._scheme = scheme_of(uri)
        self._pattern = str(local_path(uri).absolute()) if self._scheme == "file" else uri
        self._wild = {} if self._scheme in HTTP else _WILD
        if self._wild and "**" in self._pattern:
            raise SourceError(f"{self._pattern!r}: * stands for a part of one name, ** for nothing")
        # Text, first, last, text, first, last, … text.
        texts = _RANGE.split(self._pattern)
        self._ranges = list(zip(texts[1::3], texts[2::3], strict=True))
        self._expression = re.compile(r"(\d{1,18})".join(map(self._regular, texts[::3])), re.ASCII)
        _require_countable(self._pattern, self._ranges)

    def uris(self) -> Iterator[str]:
        """In order. Raises SourceError where nothing is there, or nothing can be listed."""
        for pattern in _counted(self._pattern):
            found = self._listed(pattern)
            if not found:
                raise SourceError(f"there is no shard {pattern!r}")
            yield from found

    def matches(self, uri: str) -> bool:
        """Whether the shard at `uri` may be one of these, by its name alone. Asked for every
        picture: the ranges are not counted out.
        """
        if scheme_of(uri) != self._scheme:
            return False
        name = str(local_path(uri)) if self._scheme == "file" else uri
        found = self._expression.fullmatch(name)
        return found is not None and all(map(_is_in, found.groups(), self._ranges))

    def _regular(self, text: str) -> str:
        return "".join(self._wild.get(character, re.escape(character)) for character in text)

    def _listed(self, pattern: str) -> list[str]:
        if not any(wild in pattern for wild in self._wild):
            return [Path(pattern).as_uri() if self._scheme == "file" else pattern]
        try:
            if self._scheme == "file":
                below = Path(pattern.replace("[", "[[]"))  # brackets are part of many a name
                paths = Path(below.anchor).glob(str(below.relative_to(below.anchor)))
                return [path.as_uri() for path in sorted(paths)]
            with object_store.failures():
                names = sorted(object_store.filesystem(pattern).glob(pattern))
        except (Rejected, OSError) as error:
            raise SourceError(f"cannot list {pattern!r}: {error}") from error
        return [f"{self._scheme}://{name.lstrip('/')}" for name in names]


def _require_countable(pattern: str, ranges: list[tuple[str, str]]) -> None:
    total = 1
    for first, last in ranges:
        total *= max(0, int(last) - int(first) + 1)
    if not 0 < total <= _MAX_SHARDS:
        raise SourceError(f"{pattern!r} stands for {total} shards; 1 to {_MAX_SHARDS} can be read")


def _counted(pattern: str) -> Iterator[str]:
    """The pattern with every number of its ranges, as wide as the range's start is written."""
    found = _RANGE.search(pattern)
    if found is None:
        yield pattern
        return
    for number in range(int(found[1]), int(found[2]) + 1):
        counted = f"{number:0{len(found[1])}}"
        yield from _counted(f"{pattern[: found.start()]}{counted}{pattern[found.end() :]}")


def _is_in(number: str, bounds: tuple[str, str]) -> bool:
    first, last = bounds
    return int(first) <= int(number) <= int(last) and number == f"{int(number):0{len(first)}}"
