"""open_clip's tokenizers, for several threads and both languages at once."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from torch import Tensor

from models.errors import ModelUnavailable
from models.language import language_of
from models.types import Tokens
from models.weights.configs import read_config

_CACHED_WORDS = 50_000
_KOREAN, _ENGLISH = "kor_Hang", "eng_Latn"  # NLLB's names of its languages

_CLIP_SETTINGS = {"clean", "additional_special_tokens"}
_HUB_SETTINGS = {"clean", "strip_sep_token"}
_CONFIGS = ("config.json", "tokenizer_config.json")


class ClipTokenizer:
    """CLIP's own byte pairs."""

    pad_id = 0

    def __init__(self, context_length: int, **settings: Any) -> None:
        self._tokenizer = SimpleTokenizer(context_length=context_length, **settings)
        self._specials = dict(self._tokenizer.cache)
        self.largest_id: int = self._tokenizer.vocab_size - 1

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        # It remembers every word that it ever saw, which a server does not live to see the
        # end of. Another thread keeps the old dictionary until it is done with its word.
        if len(self._tokenizer.cache) > _CACHED_WORDS:
            self._tokenizer.cache = dict(self._specials)
        return _unpadded(self._tokenizer(list(texts)), self.pad_id)


class HubTokenizer:
    """A tokenizer of transformers'."""

    def __init__(self, tokenizer: HFTokenizer) -> None:
        self._tokenizer = tokenizer
        self.pad_id: int = tokenizer.tokenizer.pad_token_id
        self.largest_id: int = max(tokenizer.tokenizer.get_vocab().values())
        self._lock = Lock()  # it sets its padding anew in every call

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        with self._lock:
            ids = self._tokenizer(list(texts))
        return _unpadded(ids, self.pad_id)


class NllbTokenizer(HubTokenizer):
    """A token says which language a text is in: Korean where there is Hangul, else English.

    The library's tokenizer has one language at a time for all its callers (and open_clip's
    `set_language` has no effect on that of transformers 5). Here it stays at English, and
    the token is replaced, so that a batch may mix the two.
    """

    def __init__(self, tokenizer: HFTokenizer) -> None:
        super().__init__(tokenizer)
        tokenizer.tokenizer.src_lang = _ENGLISH
        name_to_id = tokenizer.tokenizer.convert_tokens_to_ids
        self._english, self._korean = name_to_id(_ENGLISH), name_to_id(_KOREAN)

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        tokens = super().__call__(texts)
        for text, ids in zip(texts, tokens, strict=True):
            if language_of(text) == "ko":
                ids[ids == self._english] = self._korean
        return tokens


def tokenizer_for(text_cfg: dict[str, Any], folder: Path | None) -> ClipTokenizer | HubTokenizer:
    """As open_clip's `get_tokenizer` chooses it, but for what is drawn at random: texts that
    are too long are cut at their end, where `reduction_mask` keeps any part of them.

    Raises ModelUnavailable.
    """
    context_length = text_cfg.get("context_length", 77)
    settings = dict(text_cfg.get("tokenizer_kwargs") or {})
    settings.pop("reduction_mask", None)
    # They come with the weights, and transformers would take "trust_remote_code" among them.
    known = _CLIP_SETTINGS if folder is None else _HUB_SETTINGS
    if foreign := sorted(settings.keys() - known):
        raise ModelUnavailable(f"tokenizer_kwargs: {', '.join(foreign)} is not supported")
    if folder is None:
        return ClipTokenizer(context_length, **settings)
    tokenizer = _from_folder(
        folder, context_length, tokenizer_mode=text_cfg.get("tokenizer_mode"), **settings
    )
    knows_korean = _KOREAN in tokenizer.tokenizer.get_vocab()
    return NllbTokenizer(tokenizer) if knows_korean else HubTokenizer(tokenizer)


def _from_folder(folder: Path, context_length: int, **settings: Any) -> HFTokenizer:
    for name in _CONFIGS:
        if (folder / name).exists():
            read_config(folder / name)  # or transformers runs what it names
    try:
        tokenizer = HFTokenizer(
            str(folder), context_length, local_files_only=True, trust_remote_code=False, **settings
        )
    except Exception as error:  # the libraries underneath raise nothing narrower
        line = str(error).partition("\n")[0]
        raise ModelUnavailable(f"{folder}: the tokenizer cannot be loaded: {line}") from error
    if tokenizer.tokenizer.pad_token_id is None:
        raise ModelUnavailable(f"{folder}: the tokenizer names no padding (pad_token)")
    return tokenizer


def _unpadded(rows: Tensor, pad_id: int) -> list[Tokens]:
    ids = rows.numpy().astype(np.int32)
    ends = ids.shape[1] - np.argmax(ids[:, ::-1] != pad_id, axis=1)
    return [row[:end] for row, end in zip(ids, ends, strict=True)]
