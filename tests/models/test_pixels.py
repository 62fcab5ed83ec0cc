"""A tower that is fed other pixels than it was trained on finds other pictures."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor

from models.towers.pixels import Interpolation, PixelTransform, Resize
from models.towers.precision import Placement
from models.types import Pixels

CPU = Placement(torch.device("cpu"), torch.float32)
SIZE = 224
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PHOTOS = Path(skimage.data.__file__).parent
RESIZES: tuple[Resize, ...] = ("shortest", "longest", "squash")
INTERPOLATIONS: tuple[Interpolation, ...] = ("bicubic", "bilinear")


@pytest.fixture(params=RESIZES)
def resize(request: pytest.FixtureRequest) -> Resize:
    chosen: Resize = request.param
    return chosen


@pytest.fixture(params=INTERPOLATIONS)
def interpolation(request: pytest.FixtureRequest) -> Interpolation:
    chosen: Interpolation = request.param
    return chosen


def photos() -> list[Image.Image]:
    names = ("astronaut.png", "coffee.png", "chelsea.png", "motorcycle_left.png", "page.png")
    opened = [Image.open(PHOTOS / name).convert("RGB") for name in names]
    # Upright, enlarged to what a camera takes, and smaller than the input.
    return [
        *opened,
        opened[1].rotate(90, expand=True),
        opened[3].resize((2400, 1600)),
        opened[2].resize((90, 60)),
    ]


def transform(resize: Resize, interpolation: Interpolation = "bicubic") -> PixelTransform:
    return PixelTransform(SIZE, MEAN, STD, resize, interpolation)


def stock(image: Image.Image, resize: Resize, interpolation: Interpolation) -> Tensor:
    cfg = PreprocessCfg(size=(SIZE, SIZE), resize_mode=resize, interpolation=interpolation)
    normalised: Tensor = image_transform_v2(cfg, is_train=False)(image)
    return normalised


def levels(normalised: Tensor) -> Tensor:
    """Back to 0…255."""
    return (normalised * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)) * 255


def test_on_the_cpu_a_tower_sees_exactly_what_its_own_transform_makes(
    resize: Resize, interpolation: Interpolation
) -> None:
    ours = transform(resize, interpolation)
    squares = [ours.to_square(image) for image in photos()]
    peer = torch.stack([stock(image, resize, interpolation) for image in photos()])

    assert all(square.shape == (SIZE, SIZE, 3) for square in squares)
    torch.testing.assert_close(ours.to_input(squares, CPU), peer, atol=1e-5, rtol=0)


def test_resizing_in_batches_on_the_device_comes_to_the_same_picture(
    resize: Resize, interpolation: Interpolation
) -> None:
    ours = transform(resize, interpolation)
    batch = ours.to_input([ours.to_bounded(image) for image in photos()], CPU)
    peer = torch.stack([stock(image, resize, interpolation) for image in photos()])

    difference = (levels(batch) - levels(peer)).abs()
    # Of 255. Pillow rounds between its two passes; a picture that was reduced may lie a
    # quarter of a pixel beside the peer's, which shows at sharp edges.
    assert difference.mean(dim=(1, 2, 3)).amax() < 1.5
    assert difference.flatten(1).quantile(0.99, dim=1).amax() < 12


def test_pictures_of_several_sizes_keep_their_places_in_a_batch() -> None:
    ours = transform("shortest")
    bounded = [ours.to_bounded(image) for image in photos()]

    together = ours.to_input(bounded, CPU)

    alone = torch.cat([ours.to_input([pixels], CPU) for pixels in bounded])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (30_000, 3), (5, 4_000), (17, 13)])
def test_pictures_of_any_shape_become_a_square(resize: Resize, size: tuple[int, int]) -> None:
    ours = transform(resize)
    image = Image.effect_noise((64, 64), 90).convert("RGB").resize(size)

    on_cpu, bounded = ours.to_square(image), ours.to_bounded(image)

    assert on_cpu.shape == (SIZE, SIZE, 3)
    assert bounded.size <= 3 * 4 * (4 * SIZE) ** 2, "a thin picture is not blown up"
    difference = levels(ours.to_input([bounded], CPU) - ours.to_input([on_cpu], CPU))
    assert (difference - levels(torch.zeros(3, 1, 1))).abs().mean() < 1


def test_the_middle_of_a_long_picture_is_what_cropping_the_whole_would_keep() -> None:
    wide = Image.open(PHOTOS / "coffee.png").convert("RGB").resize((3000, 400))
    peer = levels(stock(wide, "shortest", "bicubic")).permute(1, 2, 0).numpy()

    ours: Pixels = transform("shortest").to_square(wide)

    assert np.abs(ours - peer).max() < 1.5


def test_what_the_picture_leaves_of_the_square_is_filled() -> None:
    wide = Image.new("RGB", (400, 100), "white")
    ours = PixelTransform(SIZE, MEAN, STD, "longest", fill=128)

    for pixels in (ours.to_square(wide), ours.to_bounded(wide)):
        rows = levels(ours.to_input([pixels], CPU))[0, 0, :, SIZE // 2]
        assert rows[[0, SIZE // 2, -1]].round().tolist() == [128, 255, 128]
