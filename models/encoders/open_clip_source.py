"""Where an open_clip model comes from: its name and tag, a repository of the hub, a folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import open_clip
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

from models.config import EncoderOptions
from models.errors import ModelUnavailable, UnknownModel
from models.weights.configs import read_config
from models.weights.files import (
    OPEN_CLIP_WEIGHTS,
    TOKENIZER_FILES,
    Wanted,
    fetch,
    fetch_pretrained_tag,
    tokenizer_roles,
    weights_in,
)

_CONFIG = "open_clip_config.json"
TEXT_CONFIG = "config.json"
"""Of a Hugging Face text tower, and of its tokenizer."""

_PLACES = {"hf_model_name", "hf_tokenizer_name", "hf_model_pretrained"}
_USUAL = {"quick_gelu": False, "custom_text": False}  # what a configuration need not say


@dataclass(frozen=True)
class Source:
    """All that an open_clip model is made from."""

    model: dict[str, Any]
    """open_clip's `model_cfg`."""
    preprocessing: dict[str, Any]
    """What differs from open_clip's defaults."""
    weights: Path
    tokenizer: Path | None
    """A folder that transformers loads one from; None for CLIP's own."""
    text_config: Path | None
    """A folder with the config.json of a Hugging Face text tower."""

    @property
    def files(self) -> dict[str, Path]:
        """What the vectors depend on, by role."""
        files = {"weights": self.weights}
        if self.tokenizer:
            files |= tokenizer_roles(self.tokenizer)
        if self.text_config:
            files["text config"] = self.text_config / TEXT_CONFIG
        return files

    @property
    def settings(self) -> str:
        """What the vectors depend on beside the files, however the model was named."""
        text = self.model["text_cfg"].items()
        told = {"text_cfg": {key: value for key, value in text if key not in _PLACES}}
        return json.dumps(_USUAL | self.model | told, sort_keys=True)


def find(name: str, options: EncoderOptions) -> Source:
    """`ViT-B-32/laion2b_s34b_b79k`, `hf-hub:organisation/repository` or `local-dir:/path`.

    Raises UnknownModel, and ModelUnavailable where something of the model is missing.
    """
    scheme, _, rest = name.partition(":")
    if scheme == "local-dir":
        return _in_folder(Path(rest).expanduser())
    if scheme == "hf-hub":
        return _on_hub(rest, options)
    return _listed(*name.partition("/")[::2], options)


def _in_folder(folder: Path) -> Source:
    """The folder holds everything: nothing is looked for on the network."""
    config = _read(folder / _CONFIG)
    text = config["model_cfg"]["text_cfg"]
    tokenizer = folder if text.get("hf_tokenizer_name") else None
    text_config = folder if text.get("hf_model_name") else None
    if text_config and not (folder / TEXT_CONFIG).is_file():
        raise ModelUnavailable(f"{folder / TEXT_CONFIG}: no such file; the text tower needs it")
    weights = weights_in(folder, OPEN_CLIP_WEIGHTS)
    return Source(
        config["model_cfg"], config.get("preprocess_cfg") or {}, weights, tokenizer, text_config
    )


def _on_hub(repository: str, options: EncoderOptions) -> Source:
    folder = fetch(repository, Wanted((_CONFIG,), OPEN_CLIP_WEIGHTS), options)
    config = _read(folder / _CONFIG)
    return Source(
        config["model_cfg"],
        config.get("preprocess_cfg") or {},
        weights_in(folder, OPEN_CLIP_WEIGHTS),
        *_text_folders(config["model_cfg"], options),
    )


def _listed(name: str, tag: str, options: EncoderOptions) -> Source:
    config = open_clip.get_model_config(name)
    if config is None:
        near = get_close_matches(name, open_clip.list_models(), cutoff=0.4)
        raise UnknownModel(f"open_clip has no architecture {name!r}; near it: {', '.join(near)}")
    tag = _tag(name, tag, list_pretrained_tags_by_model(name))
    trained = get_pretrained_cfg(name, tag)
    # Many tags were trained with QuickGELU, which their architecture's entry leaves out;
    # open_clip warns and computes the other function.
    config["quick_gelu"] = bool(config.get("quick_gelu") or trained.get("quick_gelu"))
    folders = _text_folders(config, options)
    return Source(config, trained, fetch_pretrained_tag(name, tag, options), *folders)


def _tag(name: str, tag: str, known: Sequence[str]) -> str:
    if tag in known:
        return tag
    if not tag and len(known) == 1:
        return known[0]
    if not known:
        raise UnknownModel(f"open_clip lists no trained weights for {name!r}")
    reason = f"no weights {tag!r}" if tag else "several weights"
    raise UnknownModel(f"{name!r} has {reason}; choose {name}/ and one of {', '.join(known)}")


def _text_folders(
    config: dict[str, Any], options: EncoderOptions
) -> tuple[Path | None, Path | None]:
    """The folders of the tokenizer and of the Hugging Face text tower's config."""
    text = config["text_cfg"]
    tokenizer, tower = text.get("hf_tokenizer_name"), text.get("hf_model_name")
    return (
        fetch(tokenizer, Wanted((*TOKENIZER_FILES, TEXT_CONFIG)), options) if tokenizer else None,
        fetch(tower, Wanted((TEXT_CONFIG,)), options) if tower else None,
    )


def _read(path: Path) -> dict[str, Any]:
    config = read_config(path)
    model = config.get("model_cfg")
    towers = ("text_cfg", "vision_cfg")
    if not isinstance(model, dict) or not all(isinstance(model.get(key), dict) for key in towers):
        raise ModelUnavailable(f"{path} is no configuration of open_clip's")
    return config
