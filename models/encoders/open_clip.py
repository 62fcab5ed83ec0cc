"""`open_clip:…`: whatever open_clip loads, but never with random weights.

open_clip:ViT-B-16-SigLIP2/webli     an architecture and the tag of its weights
open_clip:hf-hub:org/repository      a repository of the hub in open_clip's layout
open_clip:local-dir:/path            the same files in a folder: open_clip_config.json, the
                                     weights, the tokenizer's files and, for a Hugging Face
                                     text tower, its config.json

docs/decisions/0006-encoders.md has the reasons and the numbers.
"""

from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

from open_clip import CLIP, CoCa, CustomTextCLIP
from open_clip.convert import convert_state_dict
from open_clip.model import (
    convert_to_custom_text_state_dict,
    resize_pos_embed,
    resize_text_pos_embed,
)
from open_clip.utils import to_2tuple
from torch import Tensor, nn

from models.config import EncoderOptions
from models.encoders.assembly import Parts, assemble
from models.encoders.open_clip_source import TEXT_CONFIG, Source, find
from models.encoders.open_clip_tokens import tokenizer_for
from models.errors import ModelUnavailable
from models.towers.pixels import PixelTransform
from models.towers.text_trim import text_tower
from models.towers.torch_encoder import TorchEncoder
from models.towers.unfilled import Unfilled
from models.weights.checkpoint import load_all, read_checkpoint
from models.weights.configs import read_config

_MEAN = (0.48145466, 0.4578275, 0.40821073)  # open_clip's defaults, from OpenAI's CLIP
_STD = (0.26862954, 0.26130258, 0.27577711)

_Choice = TypeVar("_Choice", bound=str)


class ImageTower(nn.Module):
    """An open_clip model's way with pictures: (n, 3, size, size) → (n, dim)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model: Any = model

    def forward(self, pixels: Tensor) -> Tensor:
        embeddings: Tensor = self._model.encode_image(pixels, normalize=False)
        return embeddings


def load(name: str, options: EncoderOptions) -> TorchEncoder:
    """Raises UnknownModel for a name that open_clip does not know, ModelUnavailable where
    weights are missing, damaged or incomplete, or the device is not there.
    """
    return assemble(f"open_clip:{name}", lambda: _parts(find(name, options)), options)


def build(source: Source) -> nn.Module:
    """The model with its weights, in fp32 on the CPU. Raises ModelUnavailable."""
    if source.text_config:
        read_config(source.text_config / TEXT_CONFIG)  # or transformers runs what it names
    with Unfilled():
        model = architecture(source.model, source.text_config)
    load_weights(model, source.weights)
    return model


def architecture(model_cfg: dict[str, Any], text_config: Path | None) -> nn.Module:
    """As open_clip's `create_model` has it, with random weights and no word to the network."""
    config = deepcopy(model_cfg)
    image_tower = config["vision_cfg"].get("timm_model_name") or ""
    if ":" in image_tower:  # timm would fetch it
        raise ModelUnavailable(f"the image tower {image_tower!r} is none of timm's own")
    config["vision_cfg"]["timm_model_pretrained"] = False
    own_text_tower = config.pop("custom_text", False) or text_config is not None
    if text_config:
        config["text_cfg"] |= {"hf_model_name": str(text_config), "hf_model_pretrained": False}
    family = CLIP if not own_text_tower else CoCa if "multimodal_cfg" in config else CustomTextCLIP
    model: nn.Module = family(**config).float()
    return model


def load_weights(model: nn.Module, path: Path) -> None:
    """As open_clip's `load_checkpoint` does, its conversions included, and with no tensor
    left over or left out. Raises ModelUnavailable.
    """
    tensors = convert_state_dict(model, read_checkpoint(path))
    if "positional_embedding" in tensors and not hasattr(model, "positional_embedding"):
        tensors = convert_to_custom_text_state_dict(tensors)
    tensors = {name: value for name, value in tensors.items() if "position_ids" not in name}
    # Temperature and bias of the training loss do not enter an embedding: some leave them out.
    own = model.state_dict()
    for name in {"logit_scale", "logit_bias"} & own.keys():
        tensors[name] = tensors.get(name, own[name]).reshape(own[name].shape)
    resize_pos_embed(tensors, model)
    resize_text_pos_embed(tensors, model)
    load_all(model, tensors, path)


def logit_scale_of(model: Any) -> float:
    """A bias, as SigLIP's, is the same for all texts: no softmax over them knows it."""
    return float(model.logit_scale.detach().exp())


def transform_of(model: Any, preprocessing: dict[str, Any]) -> PixelTransform:
    """Raises ModelUnavailable for what `PixelTransform` cannot do."""
    height, width = to_2tuple(model.visual.image_size)
    if height != width:
        raise ModelUnavailable(f"an input of {height} × {width} is not supported, only squares")
    _one_of(preprocessing, "mode", ("RGB",))
    interpolation = _one_of(preprocessing, "interpolation", ("bicubic", "bilinear", "random"))
    return PixelTransform(
        size=height,
        mean=_colour(preprocessing.get("mean") or _MEAN),
        std=_colour(preprocessing.get("std") or _STD),
        resize=_one_of(preprocessing, "resize_mode", ("shortest", "longest", "squash")),
        # open_clip takes "random", an augmentation, to be bicubic.
        interpolation="bilinear" if interpolation == "bilinear" else "bicubic",
        fill=_grey(preprocessing.get("fill_color") or 0),
    )


def _one_of(preprocessing: dict[str, Any], key: str, known: tuple[_Choice, ...]) -> _Choice:
    """The first of `known` where nothing is said."""
    value = preprocessing.get(key) or known[0]
    if value not in known:
        raise ModelUnavailable(f"preprocess_cfg: {key} {value!r} is not supported")
    return value


def _grey(fill: Any) -> int:
    shades = set(fill) if isinstance(fill, list | tuple) else {fill}
    if len(shades) != 1:
        raise ModelUnavailable(f"preprocess_cfg: fill_color {fill!r} is no shade of grey")
    return int(shades.pop())


def _colour(values: Any) -> tuple[float, float, float]:
    red, green, blue = values if isinstance(values, list | tuple) else (values,) * 3
    return float(red), float(green), float(blue)


def _parts(source: Source) -> Parts:
    model = build(source)
    text_cfg = source.model["text_cfg"]
    tokenizer = tokenizer_for(text_cfg, source.tokenizer)
    tower, trims = text_tower(model, tokenizer.pad_id)
    return Parts(
        text=tower,
        image=ImageTower(model),
        tokenizer=tokenizer,
        transform=transform_of(model, source.preprocessing),
        longest=text_cfg.get("context_length", 77),
        trims=trims,
        files=source.files,
        logit_scale=logit_scale_of(model),
        settings=source.settings,
    )
