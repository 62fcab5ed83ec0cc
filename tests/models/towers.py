"""Tiny random models of the real classes, on disk in the layout that open_clip reads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from open_clip import CLIP, CoCa, CustomTextCLIP
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import M2M100Config, NllbTokenizer, PreTrainedTokenizerFast, XLMRobertaConfig

SENTENCES = (
    *("빨간 운동화", "해변에서 뛰는 강아지", "눈 덮인 산과 호수", "비 오는 날 우산을 쓴 여자"),
    *("창가에 앉은 고양이 두 마리", "갓 구운 빵과 커피 한 잔", "밤하늘의 별", "축구하는 아이들"),
    *("a red running shoe", "a dog running on the beach", "snowy mountains and a lake"),
    *("a woman with an umbrella in the rain", "two cats at a window", "stars in the night sky"),
    *("fresh bread and a cup of coffee", "children playing football", "a photo of a city at night"),
)
TEXTS = (
    *("빨간 운동화", "고양이", "해변에서 뛰는 강아지 사진", "비 오는 날, 우산을 쓴 여자!"),
    *("a", "A Red Running Shoe", "a dog running on the beach, at sunset", "café 🐈 and ½ cup"),
    *("눈 덮인 mountain", "별 " * 100, "stars in the night sky " * 40),
)
"""Short, long, cut off; Korean, English, both and neither."""

_VISION = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8}
_TEXT = {"width": 64, "heads": 2, "layers": 2}

Maker = Callable[[Path], None]


def clip(folder: Path) -> None:
    """A causal tower, read where the text ends."""
    _save(folder, CLIP, {"embed_dim": 48, "vision_cfg": _VISION, "text_cfg": _TEXT})


def siglip(folder: Path) -> None:
    """A tower in which every position sees the padding; pictures through timm."""
    tokenizer = _tokenizer(["<pad>", "<eos>", "<unk>"], "$A <eos>")
    tokenizer.save_pretrained(folder)
    vision = {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "map"}
    text = _TEXT | {
        "context_length": 64,
        "vocab_size": len(tokenizer),
        "hf_tokenizer_name": "tiny",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
        "act_kwargs": {"approximate": "tanh"},
    }
    config = {
        "embed_dim": 64,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": vision | {"timm_model_pretrained": False, "timm_proj": "none"},
        "text_cfg": text,
    }
    half = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    _save(folder, CustomTextCLIP, config, half)


def xlm_roberta(folder: Path) -> None:
    """A Hugging Face tower with a mask, mean-pooled."""
    tokenizer = _tokenizer(["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<s> $A </s>")
    tokenizer.save_pretrained(folder)
    XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=96,
        max_position_embeddings=80,
    ).save_pretrained(folder)
    _save(folder, CustomTextCLIP, _hub_config(folder, {"hf_pooler_type": "mean_pooler"}))


def nllb(folder: Path) -> None:
    """The encoder half of a translator: a token says which language a text is in."""
    trained = json.loads(_bpe(["<s>", "<pad>", "</s>", "<unk>"]).to_str())["model"]
    merges = [tuple(pair) for pair in trained["merges"]]
    tokenizer = NllbTokenizer(trained["vocab"], merges)
    tokenizer.save_pretrained(folder)
    M2M100Config(
        vocab_size=len(tokenizer),
        d_model=64,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=96,
        decoder_ffn_dim=32,
        max_position_embeddings=96,
    ).save_pretrained(folder)
    text = {
        "hf_tokenizer_name": "tiny-nllb",
        "hf_proj_type": "linear",
        "hf_pooler_type": "cls_pooler",
    }
    _save(folder, CustomTextCLIP, _hub_config(folder, text))


def coca(folder: Path) -> None:
    """A causal tower that is read after the padding, at a class token."""
    text = _TEXT | {"context_length": 76, "embed_cls": True, "output_tokens": True}
    vision = _VISION | {"attentional_pool": True, "output_tokens": True}
    decoder = {"context_length": 76, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
    config = {"embed_dim": 48, "custom_text": True, "vision_cfg": vision, "text_cfg": text}
    _save(folder, CoCa, config | {"multimodal_cfg": decoder})


FAMILIES: dict[str, Maker] = {
    maker.__name__: maker for maker in (clip, siglip, xlm_roberta, nllb, coca)
}


def _hub_config(folder: Path, text: dict[str, Any]) -> dict[str, Any]:
    # By path: open_clip's own loader, the peer, would look for a name on the network.
    tower = {"hf_model_name": str(folder), "hf_model_pretrained": False}
    text_cfg = {"hf_tokenizer_name": "tiny"} | text | tower
    return {"embed_dim": 48, "vision_cfg": _VISION, "text_cfg": text_cfg}


def _save(
    folder: Path,
    family: type[nn.Module],
    config: dict[str, Any],
    preprocessing: dict[str, Any] | None = None,
) -> None:
    torch.manual_seed(0)
    model = family(**{name: value for name, value in config.items() if name != "custom_text"})
    with torch.no_grad():
        for weights in model.parameters():  # fresh towers say much the same of every text
            weights.add_(0.1 * torch.randn_like(weights))
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    written = {"model_cfg": config, "preprocess_cfg": preprocessing or {}}
    (folder / "open_clip_config.json").write_text(json.dumps(written))


def _tokenizer(specials: list[str], template: str) -> PreTrainedTokenizerFast:
    trained = _bpe(specials)
    pairs = [(name, trained.token_to_id(name)) for name in specials if name in template]
    trained.post_processor = processors.TemplateProcessing(single=template, special_tokens=pairs)
    named = {"<pad>": "pad_token", "<unk>": "unk_token"}
    roles = {role: name for name, role in named.items() if name in specials}
    return PreTrainedTokenizerFast(tokenizer_object=trained, **roles)


def _bpe(specials: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))  # noqa: S106 - a token of text
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer
