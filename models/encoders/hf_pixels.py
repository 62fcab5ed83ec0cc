"""From transformers' `preprocessor_config.json` to the transform that it stands for."""

from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

from models.errors import ModelUnavailable
from models.towers.pixels import Colour, Fit, Interpolation, PixelTransform, Resize
from models.weights.configs import read_config

_INTERPOLATIONS: dict[int, Interpolation] = {2: "bilinear", 3: "bicubic"}  # as Pillow counts


@dataclass(frozen=True)
class HubTransform(PixelTransform):
    """transformers crops an odd pixel off the end, where torchvision rounds to even."""

    def _fit(self, width: int, height: int) -> Fit:
        fit = super()._fit(width, height)
        return fit._replace(left=(fit.width - self.size) // 2, top=(fit.height - self.size) // 2)


def transform_from(path: Path) -> HubTransform:
    """CLIP's processor scales the short side and crops, ViT's bends the picture into a square.

    Raises ModelUnavailable for a file that is missing, or asks for anything else.
    """
    config = read_config(path)
    try:
        return _transform(config)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelUnavailable(f"{path} asks for what is not supported: {error}") from error


def _transform(config: dict[str, Any]) -> HubTransform:
    is_clip = "CLIP" in _processor(config) or "crop_size" in config
    crops = config.get("do_center_crop", is_clip)
    size = _square(config["size"])
    _require_usual(config)
    if crops and _square(config.get("crop_size", config["size"])) != size:
        raise ValueError("crop_size differs from size")
    resample = config.get("resample", 3 if is_clip else 2)
    if resample not in _INTERPOLATIONS:
        raise ValueError(f"resample {resample}")
    normalises = config.get("do_normalize", True)
    return HubTransform(
        size=size,
        mean=_colour(config["image_mean"]) if normalises else (0.0, 0.0, 0.0),
        std=_colour(config["image_std"]) if normalises else (1.0, 1.0, 1.0),
        resize=_resize(config["size"], is_clip=is_clip, crops=crops),
        interpolation=_INTERPOLATIONS[resample],
    )


def _require_usual(config: dict[str, Any]) -> None:
    for step in ("do_resize", "do_rescale"):
        if not config.get(step, True):
            raise ValueError(f"{step} is off")
    factor = config.get("rescale_factor", 1 / 255)
    if not isclose(factor, 1 / 255, rel_tol=1e-3):
        raise ValueError(f"rescale_factor {factor}")


def _resize(size: int | dict[str, int], *, is_clip: bool, crops: bool) -> Resize:
    """A number is the short side to CLIP's processor, both sides to ViT's."""
    keeps_ratio = is_clip if isinstance(size, int) else "shortest_edge" in size
    if not keeps_ratio:
        return "squash"
    if not crops:
        raise ValueError("do_center_crop is off, and the picture left as it is shaped")
    return "shortest"


def _processor(config: dict[str, Any]) -> str:
    """Older files call it a feature extractor."""
    return str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")


def _square(size: int | dict[str, int]) -> int:
    """A number in older files; {"shortest_edge"} or {"height", "width"} in newer ones."""
    if isinstance(size, int):
        return size
    sides = set(size.values())
    if len(sides) != 1 or "longest_edge" in size:
        raise ValueError(f"an input that is no square: {size}")
    return int(sides.pop())


def _colour(values: list[float]) -> Colour:
    red, green, blue = values
    return float(red), float(green), float(blue)
