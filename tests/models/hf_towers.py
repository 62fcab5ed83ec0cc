"""Tiny random KoCLIP and M-CLIP models on disk, in the layouts that are published."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import (
    AutoModel,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    ViTConfig,
    ViTImageProcessorPil,
    XLMRobertaConfig,
)

from tests.models import towers

_PADDING, _UNKNOWN = "<pad>", "<unk>"
_SPECIALS = ["<s>", _PADDING, "</s>", _UNKNOWN, "<mask>"]
_SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
_TEXT = _SMALL | {"intermediate_size": 96, "max_position_embeddings": 140, "type_vocab_size": 1}
_VISION = _SMALL | {"intermediate_size": 96, "image_size": 32, "patch_size": 8}


def koclip(folder: Path) -> None:
    """As koclip-base: CLIP's image tower, which crops."""
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32)
    _koclip(folder, CLIPVisionConfig(**_VISION), processor)


def koclip_vit(folder: Path) -> None:
    """As koclip-large: a ViT trained to tell classes apart, which squashes."""
    processor = ViTImageProcessorPil(size={"height": 32, "width": 32})
    _koclip(folder, ViTConfig(**_VISION), processor)


def mclip(folder: Path) -> None:
    text, image = folder / "text", folder / "image"
    text.mkdir()
    image.mkdir()
    towers.clip(image)
    size = _save_tokenizer(text)
    base = XLMRobertaConfig(**_TEXT, vocab_size=size, pad_token_id=1)
    tower = MultilingualClip(base, 48)
    tensors = {name: value.contiguous() for name, value in tower.state_dict().items()}
    save_file(tensors, text / "model.safetensors")
    written = {"modelBase": "tiny/base", "transformerDimensions": 64, "numDims": 48}
    (text / "config.json").write_text(json.dumps(written))
    (text / "base_config.json").write_text(base.to_json_string())


class MultilingualClip(nn.Module):
    """M-CLIP's text tower, as its paper has it: the peer that ours is compared with."""

    def __init__(self, base: XLMRobertaConfig, dim: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.transformer = AutoModel.from_config(base)
        self.LinearTransformation = nn.Linear(base.hidden_size, dim)
        _spread(self)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        words = self.transformer(input_ids=ids, attention_mask=mask)[0]
        mean = (words * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return self.LinearTransformation(mean)


def _koclip(
    folder: Path,
    vision: CLIPVisionConfig | ViTConfig,
    processor: CLIPImageProcessorPil | ViTImageProcessorPil,
) -> None:
    text = RobertaConfig(**_TEXT, vocab_size=_save_tokenizer(folder), pad_token_id=1)
    config = VisionTextDualEncoderConfig.from_vision_text_configs(vision, text, projection_dim=40)
    torch.manual_seed(0)
    model = VisionTextDualEncoderModel(config)
    _spread(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _save_tokenizer(folder: Path) -> int:
    """The size of its vocabulary."""
    tokenizer = Tokenizer(models.BPE(unk_token=_UNKNOWN, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=_SPECIALS, show_progress=False)
    tokenizer.train_from_iterator(towers.SENTENCES, trainer)
    pairs = [(name, tokenizer.token_to_id(name)) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=pairs
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=_PADDING)
    fast.save_pretrained(folder)
    return len(fast)


def _spread(model: nn.Module) -> None:
    """A fresh tower says much the same of every text."""
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
