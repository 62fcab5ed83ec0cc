"""One collection at one moment: all that a search needs, of one version and one encoder."""

from dataclasses import dataclass
from functools import cached_property

from prometheus_client import Histogram

from app.errors import NotReady
from app.search.answers import Answers
from app.search.rows import ImageRows
from indexer.backends.base import VectorIndex
from indexer.live.attribute_view import AttributeView
from indexer.live.changes import Space
from indexer.live.delta import Delta
from indexer.versions.manifest import Manifest
from indexer.versions.relevance import Background, Backgrounds
from models.regions.schemes import RegionScheme
from models.types import Embedder

COSINES = Backgrounds(
    text=Background(reached=[0.0, 0.25, 0.5, 0.75, 1.0]),
    image=Background(reached=[0.0, 0.25, 0.5, 0.75, 1.0]),
)
"""What scores are worth as long as nothing else is known: themselves."""


@dataclass(frozen=True)
class OpenVersion:
    """A version's files, verified and open."""

    id: int
    name: str
    manifest: Manifest
    index: VectorIndex
    absorbed: int | None = None
    """Changes up to this one were taken into it since; None: it is as it was made."""
    is_remembered: bool = False
    """Whether its files, or some, were verified when it was opened before, and not now."""

    @property
    def change_number(self) -> int:
        """Changes up to this one are in it."""
        return self.manifest.change_number if self.absorbed is None else self.absorbed


@dataclass(frozen=True)
class Segments:
    """What is searched: a version and what changed beside it, in the space of one encoder."""

    space: Space
    version: OpenVersion | None
    """None where the delta holds everything."""
    delta: Delta
    embedder: Embedder | None
    """Of queries; None until it is loaded, which only a collection without a version waits for."""
    backgrounds: Backgrounds
    measured_on: int = 0
    """Images that the backgrounds were measured on, where the version brought none."""
    regions: RegionScheme | None = None
    """By which pictures are searched; None: they are whole."""

    @property
    def is_empty(self) -> bool:
        return not self.delta.count and (self.version is None or not self.version.index.count)

    @property
    def is_quick(self) -> bool:
        """Whether one search takes a fraction of a millisecond, from memory alone."""
        return self.delta.index.is_quick and (self.version is None or self.version.index.is_quick)

    @cached_property
    def attributes(self) -> AttributeView:
        """What filters, facets, sorting and grouping see of the images."""
        return AttributeView(self.delta)

    @property
    def version_id(self) -> int | None:
        return self.version.id if self.version else None


@dataclass(frozen=True)
class Snapshot:
    """Immutable, and replaced whole: a search that began with one ends with it."""

    id: int
    name: str
    recall: float
    """The recall@10 that searches aim at where a request does not say."""
    change_number: int
    """Changes up to this one are searched."""
    segments: Segments
    problem: str | None
    """Why the collection cannot be searched just now."""
    rows: ImageRows
    rows_with_attributes: ImageRows
    answers: Answers
    search_seconds: Histogram
    """The collection's own child of the metric: finding it costs more than observing."""

    is_empty: bool
    is_quick: bool
    """Both as the segments say: asked once, as each search asks."""

    def require_searchable(self) -> None:
        """Raises NotReady."""
        if self.problem is not None:
            raise NotReady(f"collection {self.name!r} cannot be searched: {self.problem}")
