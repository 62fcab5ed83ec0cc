"""`koclip:…`: two towers of Hugging Face's, a Korean RoBERTa beside a ViT.

koclip:base                     the published KoCLIP, github.com/jaketae/koclip
koclip:hf-hub:org/repository    any repository with a VisionTextDualEncoderModel
koclip:local-dir:/path          the same files in a folder: config.json, the weights,
                                preprocessor_config.json, tokenizer.json

The towers are transformers' own; what is computed is what its `get_text_features` and
`get_image_features` compute, their poolers and projections included.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import VisionTextDualEncoderConfig, VisionTextDualEncoderModel
from transformers.utils import logging

from models.config import EncoderOptions
from models.encoders.assembly import Parts, assemble
from models.encoders.hf_pixels import transform_from
from models.encoders.hf_text import (
    TOKENIZER_FILE,
    FolderTokenizer,
    longest_text,
    padding_mask,
)
from models.errors import ModelUnavailable, UnknownModel
from models.towers.torch_encoder import TextTower, TorchEncoder
from models.weights.checkpoint import read_checkpoint, require_all
from models.weights.configs import read_config
from models.weights.files import TRANSFORMERS_WEIGHTS, Wanted, fetch, weights_in

_PUBLISHED = {"base": "koclip/koclip-base-pt"}

_CONFIG = "config.json"
_PREPROCESSING = "preprocessor_config.json"
_FILES = Wanted((_CONFIG, _PREPROCESSING, TOKENIZER_FILE), TRANSFORMERS_WEIGHTS)


class KoclipText(TextTower):
    """The pooled first token, projected."""

    def __init__(self, model: VisionTextDualEncoderModel) -> None:
        super().__init__()
        text_config: Any = model.config.text_config
        self.pad_id = text_config.pad_token_id
        self._transformer = model.text_model
        self._projection = model.text_projection

    def forward(self, ids: Tensor) -> Tensor:
        mask = padding_mask(ids, self.pad_id, self._projection.weight.dtype)
        pooled = self._transformer(input_ids=ids, attention_mask=mask).pooler_output
        projected: Tensor = self._projection(pooled)
        return projected


class KoclipImage(nn.Module):
    def __init__(self, model: VisionTextDualEncoderModel) -> None:
        super().__init__()
        self._transformer = model.vision_model
        self._projection = model.visual_projection

    def forward(self, pixels: Tensor) -> Tensor:
        pooled = self._transformer(pixel_values=pixels).pooler_output
        projected: Tensor = self._projection(pooled)
        return projected


def load(name: str, options: EncoderOptions) -> TorchEncoder:
    """Raises UnknownModel for a name that is none, ModelUnavailable where something of the
    model is missing, damaged or incomplete, or the device is not there.
    """
    return assemble(f"koclip:{name}", lambda: _parts(_folder(name, options)), options)


def build(config: dict[str, Any], weights: Path) -> VisionTextDualEncoderModel:
    """The model in fp32 on the CPU, every tensor of it from `weights`.

    Raises ModelUnavailable.
    """
    tensors = read_checkpoint(weights)
    try:
        # Loaded by transformers: it knows by which names its earlier versions saved.
        with _quiet():
            loaded: Any = VisionTextDualEncoderModel.from_pretrained(
                None,
                config=VisionTextDualEncoderConfig.from_dict(config),
                state_dict=tensors,
                dtype=torch.float32,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        line = str(error).strip().partition("\n")[0]
        raise ModelUnavailable(f"{weights} does not fit its config.json: {line}") from error
    model, report = loaded
    require_all(report["missing_keys"], report["unexpected_keys"], weights)
    return cast("VisionTextDualEncoderModel", model)


def _parts(folder: Path) -> Parts:
    weights = weights_in(folder, TRANSFORMERS_WEIGHTS)
    model = build(read_config(folder / _CONFIG), weights)
    longest = longest_text(model.config.text_config)
    return Parts(
        text=KoclipText(model),
        image=KoclipImage(model),
        tokenizer=FolderTokenizer(folder, longest),
        transform=transform_from(folder / _PREPROCESSING),
        longest=longest,
        trims=True,
        logit_scale=float(model.logit_scale.detach().exp()),
        files={
            "weights": weights,
            "config": folder / _CONFIG,
            "tokenizer": folder / TOKENIZER_FILE,
        },
    )


def _folder(name: str, options: EncoderOptions) -> Path:
    scheme, _, rest = name.partition(":")
    if scheme == "local-dir":
        return Path(rest).expanduser()
    if scheme == "hf-hub":
        return fetch(rest, _FILES, options)
    if name not in _PUBLISHED:
        raise UnknownModel(
            f"unknown model 'koclip:{name}'; known are {', '.join(sorted(_PUBLISHED))}, "
            "hf-hub:org/repository and local-dir:/path (of large only JAX weights are known: "
            "convert them first)"
        )
    return fetch(_PUBLISHED[name], _FILES, options)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bar and report: what is wrong is raised instead."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
