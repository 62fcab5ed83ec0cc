"""Which parts of a picture there are, and that each is embedded as if it were a picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.encoding import encode_images, encode_texts
from models.errors import OutOfMemory
from models.regions.encoder import RegionEncoder
from models.regions.schemes import Grid, Regions, changed, part_of, split
from models.registry import load_encoder
from models.types import Embeddings, Pixels
from tests.tiny_encoder import TinyEncoder

GRID = Grid("grid", (0.5, 0.25), (2, 3))


def checks(width: int, height: int) -> Image.Image:
    colours = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(colours)


@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    size=st.floats(0.05, 1),
    steps=st.integers(2, 5),
)
def test_no_region_is_empty_or_leaves_the_picture(
    width: int, height: int, size: float, steps: int
) -> None:
    grid = Grid("any", (size,), (steps,))
    assert grid.count == 1 + steps**2
    parts = grid.cut(Image.new("RGB", (width, height)))
    assert parts[0].size == (width, height)
    for box, part in zip(grid.boxes, parts, strict=True):
        assert min(box.x, box.y) >= 0
        assert max(box.x + box.width, box.y + box.height) <= 1 + 1e-9
        assert 1 <= part.width <= width
        assert abs(part.width - box.width * width) < 2
        assert 1 <= part.height <= height


def test_a_small_object_is_seen_whole_somewhere() -> None:
    """As long as it is no larger than what two windows share, wherever it lies."""
    _, grid = split("tiny+grid")
    assert isinstance(grid, Grid)
    for left in np.linspace(0, 0.9, 19):
        right = left + 0.1 - 1e-9
        assert any(box.x <= left and right <= box.x + box.width for box in grid.boxes[1:])


def test_a_row_holds_each_region_as_it_would_be_embedded_by_itself() -> None:
    encoder = RegionEncoder(TinyEncoder(), GRID)
    pictures = [checks(60, 40), checks(1, 90), checks(33, 33)]
    rows = encode_images(encoder, pictures)
    assert rows.shape == (3, 14 * 192) == (3, encoder.spec.row_dim)
    for picture, row in zip(pictures, rows, strict=True):
        parts = [part_of(picture, box) for box in GRID.boxes]
        assert np.array_equal(row.reshape(14, -1), encode_images(TinyEncoder(), parts))


def test_regions_of_different_sizes_stay_apart() -> None:
    """As encoders on a GPU give them: reduced, not yet square."""

    class AsTheyAre(TinyEncoder):
        def to_pixels(self, image: Image.Image) -> Pixels:
            return np.asarray(image)

        def encode_pixels(self, batch: list[Pixels]) -> Embeddings:
            resized = [TinyEncoder.to_pixels(self, Image.fromarray(pixels)) for pixels in batch]
            return TinyEncoder.encode_pixels(self, resized)

    pictures = [checks(61, 40), checks(3, 50)]
    rows = encode_images(RegionEncoder(AsTheyAre(), GRID), pictures)
    assert np.array_equal(rows, encode_images(RegionEncoder(TinyEncoder(), GRID), pictures))


def test_what_does_not_fit_the_device_at_once_is_embedded_in_parts() -> None:
    class Small(TinyEncoder):
        def encode_pixels(self, batch: list[Pixels]) -> Embeddings:
            if len(batch) > 3:
                raise OutOfMemory
            return super().encode_pixels(batch)

    picture = checks(60, 40)
    rows = encode_images(RegionEncoder(Small(), GRID), [picture])
    assert np.array_equal(rows, encode_images(RegionEncoder(TinyEncoder(), GRID), [picture]))


def test_other_regions_are_another_encoder() -> None:
    """Or vectors of two grids would be compared, box by wrong box."""
    specs = [
        RegionEncoder(TinyEncoder(edition), grid).spec
        for edition in ("1", "2")
        for grid in (GRID, Grid("grid", (0.5,), (2,)), Grid("grid", (0.5,), (3,)))
    ]
    assert len({spec.fingerprint for spec in [*specs, TinyEncoder().spec]}) == 7


def test_a_model_is_loaded_with_its_regions() -> None:
    encoder = load_encoder("tiny+grid")
    assert (encoder.spec.id, encoder.spec.regions) == ("tiny+grid", 10)
    assert encoder.spec.image_size == 20  # of which a window of 0.4 has the 8 that tiny reads
    assert encode_texts(encoder, ["red"]).shape == (1, 192)


@pytest.mark.parametrize(
    ("spec", "model", "regions", "expected"),
    [
        ("tiny", None, None, "tiny"),
        ("tiny", None, Regions.GRID, "tiny+grid"),
        ("tiny+grid", None, None, "tiny+grid"),
        ("tiny+grid", "other", None, "other+grid"),
        ("tiny+grid", None, Regions.NONE, "tiny"),
        ("tiny", "other+grid", None, "other+grid"),
        ("tiny+grid", "other+grid", Regions.NONE, "other"),
        ("a+b", None, Regions.GRID, "a+b+grid"),
    ],
)
def test_a_collection_keeps_what_is_not_asked_to_change(
    spec: str, model: str | None, regions: Regions | None, expected: str
) -> None:
    assert changed(spec, model, regions) == expected
