"""Which parts of a picture are embedded beside the whole."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import product
from math import ceil, floor
from typing import NamedTuple, Protocol

from PIL import Image


class Box(NamedTuple):
    """A part of a picture, in fractions of its width and height."""

    x: float
    y: float
    width: float
    height: float


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


class RegionScheme(Protocol):
    """Gives every picture the same number of regions, of which the first is the whole."""

    @property
    def name(self) -> str: ...

    @property
    def count(self) -> int: ...

    @property
    def identity(self) -> str:
        """Changes when the regions do: vectors of other regions are never compared."""
        ...

    @property
    def magnification(self) -> float:
        """How many times as large a part is seen as in the whole picture, at most."""
        ...

    def cut(self, image: Image.Image) -> list[Image.Image]:
        """The picture, and its parts."""
        ...

    def box(self, image: int, region: int, /) -> Box:
        """Where the region of an image lies. A grid need not know which image; a scheme that
        looks for objects has stored what it found, by the image's primary key.
        """
        ...


@dataclass(frozen=True)
class Grid:
    """Windows of each of `sizes`, fractions of the picture's sides, over the whole picture: three
    across and three down where `steps` has 3.
    """

    name: str
    sizes: tuple[float, ...]
    steps: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.boxes)

    @property
    def identity(self) -> str:
        return repr([tuple(box) for box in self.boxes])

    @property
    def magnification(self) -> float:
        return 1 / min(self.sizes, default=1.0)

    @cached_property
    def boxes(self) -> tuple[Box, ...]:
        """The whole, then the larger windows before the smaller, row by row."""
        return (
            WHOLE,
            *(box for pair in zip(self.sizes, self.steps, strict=True) for box in _windows(*pair)),
        )

    def cut(self, image: Image.Image) -> list[Image.Image]:
        return [image, *(part_of(image, box) for box in self.boxes[1:])]

    def box(self, _: int, region: int, /) -> Box:
        return self.boxes[region]


class Regions(StrEnum):
    """What parts of its pictures a collection is searched by."""

    NONE = "none"
    """Pictures are embedded whole."""
    GRID = "grid"
    """Nine overlapping windows: docs/decisions/0017-regions.md."""


_SCHEMES: dict[Regions, RegionScheme] = {Regions.GRID: Grid("grid", (0.4,), (3,))}


def split(model: str) -> tuple[str, RegionScheme | None]:
    """A model spec, `starter` or `starter+grid`, into that of the encoder and the regions."""
    encoder, plus, name = model.rpartition("+")
    if plus and name in _SCHEMES:
        return encoder, _SCHEMES[Regions(name)]
    return model, None


def regions_of(model: str) -> Regions:
    """What a model spec says of regions."""
    scheme = split(model)[1]
    return Regions.NONE if scheme is None else Regions(scheme.name)


def with_regions(model: str, regions: Regions) -> str:
    """The model spec with those regions instead of its own."""
    encoder = split(model)[0]
    return encoder if regions is Regions.NONE else f"{encoder}+{regions}"


def changed(spec: str, model: str | None, regions: Regions | None) -> str:
    """The model spec with another encoder or other regions; None: as they are."""
    named = model or spec
    kept = regions_of(named if split(named)[1] else spec)
    return with_regions(named, regions or kept)


def part_of(image: Image.Image, box: Box) -> Image.Image:
    """Never empty, as narrow as the picture may be."""
    width, height = image.size
    left, top = floor(box.x * width), floor(box.y * height)
    right, bottom = ceil((box.x + box.width) * width), ceil((box.y + box.height) * height)
    return image.crop((left, top, min(right, width), min(bottom, height)))


def _windows(size: float, steps: int) -> list[Box]:
    """As many across as down, evenly, from edge to edge."""
    starts = [(1 - size) * step / (steps - 1) for step in range(steps)]
    return [Box(x, y, size, size) for y, x in product(starts, repeat=2)]
