"""A model of true size with random weights, on disk, as a folder that `local-dir:` names."""

import json
from pathlib import Path

import open_clip
import torch
from open_clip.transform import PreprocessCfg
from safetensors.torch import save_file


def save_random(architecture: str, folder: Path) -> str:
    """Its spec. For architectures whose tokenizer open_clip brings along: those of plain CLIP."""
    torch.manual_seed(0)
    model = open_clip.create_model(architecture)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    config = {
        "model_cfg": open_clip.get_model_config(architecture),
        "preprocess_cfg": vars(PreprocessCfg(size=model.visual.image_size)),
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return f"open_clip:local-dir:{folder}"
