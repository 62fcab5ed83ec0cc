"""Trimming is only for towers that never look at the padding; the others would find otherwise."""

from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.transformer import TextTransformer
from torch import Tensor, nn
from transformers import BertConfig, XLMRobertaConfig

from models.towers.text_trim import BUCKETS, text_lengths, text_tower

CONTEXT, EOS = 77, 99


class Model(nn.Module):
    """As much of an open_clip model as its text takes."""

    def __init__(self, text: nn.Module) -> None:
        super().__init__()
        self.text = text

    def encode_text(self, ids: Tensor, normalize: bool) -> Tensor:
        assert not normalize
        embeddings: Tensor = self.text(ids)
        return embeddings


def transformer(**settings: Any) -> Model:
    torch.manual_seed(0)
    sizes = {"context_length": CONTEXT, "vocab_size": 100, "width": 32, "heads": 2, "layers": 2}
    return noisy(TextTransformer(**sizes, output_dim=16, **settings))


def hugging_face(config: Any, folder: Path, pooler: str) -> Model:
    torch.manual_seed(0)
    config.save_pretrained(folder)
    return noisy(HFTextEncoder(str(folder), 16, None, pooler, "mlp", pretrained=False))


def noisy(text: nn.Module) -> Model:
    with torch.no_grad():
        for weights in text.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    return Model(text).eval()


def padded(length: int, width: int, pad_id: int) -> Tensor:
    """Two texts of `length` and 3 tokens, in rows of `width`."""
    ids = torch.full((2, width), pad_id)
    for row, end in zip(ids, (length, 3), strict=True):
        row[: end - 1] = torch.arange(10, 9 + end)
        row[end - 1] = EOS
    return ids


def assert_trimming_changes_nothing(model: Model, pad_id: int) -> None:
    tower, trims = text_tower(model, pad_id)
    assert trims
    with torch.inference_mode():
        for length in BUCKETS:
            full = model.encode_text(padded(length, CONTEXT, pad_id), normalize=False)
            trimmed = tower(padded(length, length, pad_id))
            cosines = nn.functional.cosine_similarity(full, trimmed)
            assert cosines.amin() > 0.9999, length


@pytest.mark.parametrize(
    "settings",
    [
        {"pool_type": "argmax"},
        {"pool_type": "eos", "eos_id": EOS},
        {"pool_type": "argmax", "proj_bias": True},
        {"pool_type": "argmax", "proj_type": "none"},
        {"pool_type": "argmax", "ls_init_value": 0.1},
        {"pool_type": "argmax", "block_type": "custom", "qk_norm": True},
    ],
)
def test_a_causal_tower_read_at_the_end_of_the_text_is_trimmed(settings: dict[str, Any]) -> None:
    assert_trimming_changes_nothing(transformer(**settings), pad_id=0)


@pytest.mark.parametrize("pooler", ["mean_pooler", "cls_pooler", "cls_last_hidden_state_pooler"])
@pytest.mark.parametrize(("config", "pad_id"), [(BertConfig, 0), (XLMRobertaConfig, 1)])
def test_a_tower_with_a_mask_is_trimmed(
    tmp_path: Path, pooler: str, config: Any, pad_id: int
) -> None:
    tiny = config(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=80,
        pad_token_id=pad_id,
    )
    assert_trimming_changes_nothing(hugging_face(tiny, tmp_path, pooler), pad_id)


@pytest.mark.parametrize(
    ("settings", "pad_id"),
    [
        ({"pool_type": "last", "no_causal_mask": True}, 0),  # SigLIP
        ({"pool_type": "eos", "eos_id": EOS, "no_causal_mask": True}, 0),
        ({"pool_type": "last"}, 0),
        ({"pool_type": "first"}, 0),
        ({"pool_type": "argmax", "embed_cls": True}, 0),  # CoCa
        ({"pool_type": "argmax"}, 99),  # the highest id is the padding's
        ({"pool_type": "eos", "eos_id": EOS}, EOS),  # a text ends as its padding begins
    ],
)
def test_a_tower_that_the_padding_could_reach_gets_all_of_it(
    settings: dict[str, Any], pad_id: int
) -> None:
    model = transformer(**settings)
    tower, trims = text_tower(model, pad_id)
    assert not trims
    ids = padded(8, CONTEXT, pad_id)
    with torch.inference_mode():
        torch.testing.assert_close(tower(ids), model.encode_text(ids, normalize=False))


def test_a_mask_for_other_padding_than_the_tokenizers_hides_nothing(tmp_path: Path) -> None:
    tiny = BertConfig(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        pad_token_id=0,
    )
    _, trims = text_tower(hugging_face(tiny, tmp_path, "mean_pooler"), pad_id=5)
    assert not trims


@pytest.mark.parametrize(
    ("context", "trims", "lengths"),
    [
        (77, True, (8, 16, 24, 32, 48, 64, 77)),
        (64, True, (8, 16, 24, 32, 48, 64)),
        (100, True, (8, 16, 24, 32, 48, 64, 77, 100)),
        (6, True, (6,)),
        (64, False, (64,)),
    ],
)
def test_the_longest_length_is_the_context(
    context: int, trims: bool, lengths: tuple[int, ...]
) -> None:
    assert text_lengths(context, trims=trims) == lengths
