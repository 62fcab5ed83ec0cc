"""What holds for every source."""

from dataclasses import dataclass, field

from indexer.sources.web.fetch import FetchOptions


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """`max_bytes` bounds a picture file."""

    max_bytes: int = 256 * 1024 * 1024
    fetch: FetchOptions = field(default_factory=FetchOptions)
