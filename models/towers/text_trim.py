"""open_clip's text towers, run on as few positions as the texts of a batch need.

Most queries are of 3 to 10 tokens, and the towers were built to pad them to 77. Where padding
cannot reach the embedding it is left out; whether it can is read off the module:

- A causal tower that reads its embedding at the end of the text never looks at what follows.
- A Hugging Face tower masks the padding in every layer.
- Anything else reads the padding as well, and gets all of it: SigLIP (every position sees
  every other, and the last one is the embedding), CoCa (a class token after the padding).
"""

from collections.abc import Callable
from typing import Any

import torch
from open_clip import hf_model
from open_clip.hf_model import HFTextEncoder
from open_clip.transformer import text_global_pool
from torch import Tensor, nn

from models.towers.torch_encoder import TextTower

BUCKETS = (8, 16, 24, 32, 48, 64, 77)
"""Few enough for one CUDA graph each; a batch carries a quarter of padding at the most usual."""

_MASKED_POOLERS = (hf_model.MeanPooler, hf_model.ClsPooler, hf_model.ClsLastHiddenStatePooler)


def text_tower(model: nn.Module, pad_id: int) -> tuple[TextTower, bool]:
    """The text tower of an open_clip model, and whether it may be given trimmed texts.

    `pad_id` is what the model's tokenizer pads with.
    """
    text: Any = getattr(model, "text", model)
    if isinstance(text, HFTextEncoder):
        if isinstance(text.pooler, _MASKED_POOLERS) and text.config.pad_token_id == pad_id:
            return MaskedTower(text, pad_id), True
    elif _ends_at_text(text, pad_id):
        return CausalTower(text, pad_id), True
    return FullTower(model, pad_id), False


def text_lengths(context_length: int, *, trims: bool) -> tuple[int, ...]:
    """What to pad to, ascending, for a tower that reads `context_length` positions."""
    shorter = [length for length in BUCKETS if length < context_length]
    return (*shorter, context_length) if trims else (context_length,)


class CausalTower(TextTower):
    """A causal transformer with learned positions, read where the text ends."""

    def __init__(self, text: nn.Module, pad_id: int) -> None:
        super().__init__()
        self.pad_id = pad_id
        self._text: Any = text
        self._pool_type, self._eos_id = _pooling(text)

    def forward(self, ids: Tensor) -> Tensor:
        text, length = self._text, ids.shape[1]
        rows = text.token_embedding(ids) + text.positional_embedding[:length]
        rows = text.transformer(rows, attn_mask=text.attn_mask[:length, :length])
        rows = text_global_pool(rows, ids, self._pool_type, self._eos_id)
        # Only the row that is read has to be normalised: the norm is taken row by row.
        return _projected(text.ln_final(rows), text.text_projection)


class MaskedTower(TextTower):
    """A Hugging Face transformer that is told which positions are padding."""

    def __init__(self, text: HFTextEncoder, pad_id: int) -> None:
        super().__init__()
        self.pad_id = pad_id
        self._text: Any = text

    def forward(self, ids: Tensor) -> Tensor:
        mask = (ids != self.pad_id).long()
        hidden = self._text.transformer(input_ids=ids, attention_mask=mask)
        pooled: Tensor = self._text.proj(self._text.pooler(hidden, mask))
        return pooled


class FullTower(TextTower):
    """The model's own way with a text of full length."""

    def __init__(self, model: nn.Module, pad_id: int) -> None:
        super().__init__()
        self.pad_id = pad_id
        self._model: Any = model

    def forward(self, ids: Tensor) -> Tensor:
        embeddings: Tensor = self._model.encode_text(ids, normalize=False)
        return embeddings


def _ends_at_text(text: Any, pad_id: int) -> bool:
    """Whether no position before the end of a text, nor the end itself, sees what follows."""
    if getattr(text, "cls_emb", None) is not None or not _is_causal(text.attn_mask):
        return False
    pool_type, eos_id = _pooling(text)
    # `argmax` takes the end to be the highest id, `eos` the first of that id.
    return (pool_type == "argmax" and pad_id == 0) or (pool_type == "eos" and pad_id != eos_id)


def _is_causal(mask: Tensor | None) -> bool:
    if mask is None:
        return False
    ahead = torch.ones_like(mask, dtype=torch.bool).triu(1)
    return bool(mask[ahead].isneginf().all())


def _pooling(text: Any) -> tuple[str, int]:
    """Plain CLIP calls them otherwise than a text tower of its own."""
    if hasattr(text, "text_pool_type"):
        return text.text_pool_type, text.text_eos_id
    return text.pool_type, text.eos_id


def _projected(rows: Tensor, projection: nn.Linear | Tensor | None) -> Tensor:
    if projection is None:
        return rows
    apply: Callable[[Tensor], Tensor] = (
        projection if isinstance(projection, nn.Linear) else lambda pooled: pooled @ projection
    )
    return apply(rows)
