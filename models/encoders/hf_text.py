"""What the text sides of KoCLIP and M-CLIP share: tokenizer, length, and the mask."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.errors import ModelUnavailable
from models.types import Tokens

LONGEST = 128
"""Tokens of a text that are read at most, special ones included. The towers could read 512, but a
query of 128 is a paragraph, and a batch of longer ones would hold up everyone else."""

TOKENIZER_FILE = "tokenizer.json"


def longest_text(config: Any) -> int:
    """In tokens, for a transformer of this configuration. Raises ModelUnavailable.

    RoBERTa counts positions from behind the padding's id.
    """
    if config.pad_token_id is None:
        raise ModelUnavailable("the text tower's config.json names no padding (pad_token_id)")
    return min(LONGEST, int(config.max_position_embeddings - config.pad_token_id - 1))


class FolderTokenizer:
    """The `tokenizer.json` of a folder. Several threads may call it at once.

    transformers reads the same file, but sets up truncation and padding anew in every
    call, which threads would do under each other's feet.
    """

    def __init__(self, folder: Path, longest: int) -> None:
        """Raises ModelUnavailable where the file is missing or cannot be read."""
        path = folder / TOKENIZER_FILE
        try:
            self._tokenizer = Tokenizer.from_str(path.read_text("utf-8"))
        except OSError as error:
            raise ModelUnavailable(f"{path}: {error.strerror}") from error
        except Exception as error:  # the library raises nothing narrower
            raise ModelUnavailable(f"{path} is no tokenizer: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(longest)
        self.largest_id = max(self._tokenizer.get_vocab().values())

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        encoded = self._tokenizer.encode_batch(list(texts))
        return [np.array(one.ids, np.int32) for one in encoded]


def padding_mask(ids: Tensor, pad_id: int, dtype: torch.dtype) -> Tensor:
    """(n, length) → (n, 1, 1, length), to be added to attention scores.

    In this shape transformers takes it as it is. A mask of two dimensions it would first
    search for padding, which waits for the device and cannot be captured in a CUDA graph.
    """
    hidden = torch.zeros(ids.shape, dtype=dtype, device=ids.device)
    return hidden.masked_fill(ids == pad_id, torch.finfo(dtype).min)[:, None, None, :]
