"""From a picture to a tower's input, as the tower's own preprocessing has it.

Two ways lead there. `to_square` does on the CPU exactly what the model's own transform does
before it turns to floats. `to_bounded` only brings a picture down to a size worth sending,
and `to_input` resizes whole batches on the device. Both end in `to_input`, where a picture
that already is the square passes unchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from models.towers.precision import Placement
from models.types import Pixels

Resize = Literal["shortest", "longest", "squash"]
Interpolation = Literal["bicubic", "bilinear"]
Colour = tuple[float, float, float]

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}

_LONGEST = 4
"""Sides in a ratio beyond this are brought to the square on the CPU, the middle part only:
a picture of 1 × 10,000 would otherwise be blown up to 224 × 2,240,000 first."""


class Fit(NamedTuple):
    """The size that a picture is resized to, and where the square lies in it.

    A negative `left` or `top` is the width of a margin to be filled.
    """

    width: int
    height: int
    left: int
    top: int


@dataclass(frozen=True)
class PixelTransform:
    """The preprocessing that a tower was trained with.

    `shortest` crops what juts out over the square, `longest` fills what the picture leaves
    of it with the grey `fill`, `squash` bends the picture into it. `mean` and `std` are of
    pixels in 0…1.
    """

    size: int
    mean: Colour
    std: Colour
    resize: Resize = "shortest"
    interpolation: Interpolation = "bicubic"
    fill: int = 0

    def to_square(self, image: Image.Image) -> Pixels:
        """Shape (size, size, 3), from a picture that is RGB."""
        fit = self._fit(*image.size)
        if self.resize == "shortest" and max(fit.width, fit.height) > _LONGEST * self.size:
            return np.asarray(self._middle(image, fit))
        resized = image.resize((fit.width, fit.height), _FILTERS[self.interpolation])
        square = Image.new("RGB", (self.size, self.size), (self.fill,) * 3)
        square.paste(resized, (-fit.left, -fit.top))
        return np.asarray(square)

    def to_bounded(self, image: Image.Image) -> Pixels:
        """The picture with a short side of 2 to 4 times `size`, or smaller if it is smaller.

        Twice the input is enough for the device's antialiased resize to see no difference;
        whole-number reduction is the cheapest that Pillow has.
        """
        short, long = sorted(image.size)
        if long > _LONGEST * short:
            return self.to_square(image)
        factor = short // (2 * self.size)
        return np.asarray(
            image.reduce(factor, _whole_blocks(image, factor)) if factor > 1 else image
        )

    def to_input(self, batch: Sequence[Pixels], placement: Placement) -> Tensor:
        """Shape (len(batch), 3, size, size), normalised, on the device."""
        squares = torch.empty(len(batch), 3, self.size, self.size, device=placement.device)
        for rows in _by_shape(batch):
            pixels = placement.send(torch.from_numpy(np.stack([batch[row] for row in rows])))
            squares[rows] = self._squares(pixels.permute(0, 3, 1, 2).float())
        mean = torch.tensor(self.mean, device=placement.device).view(3, 1, 1)
        std = torch.tensor(self.std, device=placement.device).view(3, 1, 1)
        return squares.div_(255).sub_(mean).div_(std).to(placement.dtype)

    def _squares(self, pictures: Tensor) -> Tensor:
        """(n, 3, height, width) → (n, 3, size, size), whole numbers in 0…255."""
        height, width = pictures.shape[2:]
        if height == width == self.size:
            return pictures
        fit = self._fit(width, height)
        resized = functional.interpolate(
            pictures, (fit.height, fit.width), mode=self.interpolation, antialias=True
        )
        # Negative padding crops.
        right, bottom = self.size - fit.width + fit.left, self.size - fit.height + fit.top
        padding = (-fit.left, right, -fit.top, bottom)
        return functional.pad(resized.round().clamp(0, 255), padding, value=self.fill)

    def _middle(self, image: Image.Image, fit: Fit) -> Image.Image:
        """The square alone: within 1/255 of resizing all and cropping, without the memory."""
        across, down = image.width / fit.width, image.height / fit.height
        left, top, right, bottom = fit.left, fit.top, fit.left + self.size, fit.top + self.size
        box = (left * across, top * down, right * across, bottom * down)
        return image.resize((self.size, self.size), _FILTERS[self.interpolation], box=box)

    def _fit(self, width: int, height: int) -> Fit:
        size, short, long = self.size, min(width, height), max(width, height)
        if self.resize == "squash":
            return Fit(size, size, 0, 0)
        if self.resize == "shortest":  # torchvision cuts the long side down to a whole pixel
            other = int(size * long / short)
            resized = (size, other) if width <= height else (other, size)
        else:  # open_clip rounds the short side
            other = max(1, round(size * short / long))
            resized = (other, size) if width <= height else (size, other)
        left, top = (_offset(side, size) for side in resized)
        return Fit(*resized, left, top)


def _whole_blocks(image: Image.Image, factor: int) -> tuple[int, int, int, int]:
    """The middle of the picture, its sides multiples of `factor`: a block that is not whole
    would shift all that stands beside it.
    """
    left, top = image.width % factor // 2, image.height % factor // 2
    right, bottom = left + image.width // factor * factor, top + image.height // factor * factor
    return left, top, right, bottom


def _offset(side: int, size: int) -> int:
    return round((side - size) / 2) if side >= size else -((size - side) // 2)


def _by_shape(batch: Sequence[Pixels]) -> list[list[int]]:
    """The rows of the batch, pictures of one shape together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, pixels in enumerate(batch):
        groups.setdefault(pixels.shape, []).append(row)
    return list(groups.values())
