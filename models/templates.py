"""Prompt templates: a text is encoded as the mean of its prompts, "a photo of {}" among them.

CLIP's own method (Radford et al. 2021, arXiv:2103.00020, section 3.1.4): it was trained on
captions, and a bare word is none. The mean of unit vectors is scaled to unit length again, so that
a search costs the same; only encoding a text takes several times as long.

It is done within the encoder, so that whoever encodes texts does it: searches, the calibration
of an index, the background of relevance, an evaluation. An encoder with templates has a
fingerprint of its own, and versions that were made without them are refused its queries.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Literal, get_args

import numpy as np
from PIL import Image

from models.errors import EncodingFailed
from models.language import Language, language_of
from models.model_cards import card_of
from models.types import Embeddings, EncoderSpec, LoadedEncoder, Pixels, Tokens, ToPixels

Choice = Literal["auto", "on", "off"]

TEMPLATES: dict[Language, tuple[str, ...]] = {
    "ko": ("{}", "{} 사진", "{} 이미지", "{} 그림", "사진 속의 {}"),
    "en": ("{}", "a photo of {}", "an image of {}", "a picture of {}", "{} in a photo"),
}
"""Each set begins with the text itself: one with nothing to encode is noticed as without them.
None of the Korean ones has a particle, whose form would depend on the text's last syllable.
"""


def with_templates(encoder: LoadedEncoder, choice: str) -> LoadedEncoder:
    """`auto`: for the languages in which the model's card says that they help; `on`: for
    both; `off`, or where there are none: the encoder as it is.
    """
    card = card_of(encoder.spec.id)
    measured = card.templates if card else ()
    languages = {"auto": measured, "on": get_args(Language), "off": ()}[choice]
    return TemplatedEncoder(encoder, languages) if languages else encoder


class TemplatedEncoder:
    """See `models.types.LoadedEncoder`. A text's tokens are those of its prompts, one after the
    other, behind their number and their lengths.
    """

    def __init__(self, inner: LoadedEncoder, languages: Collection[Language]) -> None:
        self._inner = inner
        self._templates = {name: TEMPLATES[name] for name in sorted(languages)}
        self._most = max(map(len, self._templates.values()))
        self._spec = replace(
            inner.spec,
            fingerprint=_fingerprint(inner.spec.fingerprint, self._templates),
            text_lengths=tuple(1 + self._most * (1 + n) for n in inner.spec.text_lengths),
        )

    @property
    def spec(self) -> EncoderSpec:
        return self._spec

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        prompts = [self._prompts(text) for text in texts]
        tokens = self._inner.tokenize([prompt for group in prompts for prompt in group])
        ends = list(accumulate(map(len, prompts)))
        return [
            _joined(tokens[end - len(group) : end])
            for group, end in zip(prompts, ends, strict=True)
        ]

    def encode_tokens(self, batch: Sequence[Tokens]) -> Embeddings:
        if not batch:
            return self._inner.encode_tokens([])
        groups = [_parted(tokens) for tokens in batch]
        rows = self._inner.encode_tokens([prompt for group in groups for prompt in group])
        starts = list(accumulate((len(group) for group in groups[:-1]), initial=0))
        sums = np.add.reduceat(rows, starts, axis=0)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        if not (lengths > 0).all():  # nor is NaN
            raise EncodingFailed("the prompts of a text have no mean direction")
        means: Embeddings = (sums / lengths).astype(np.float32)
        return means

    def to_pixels(self, image: Image.Image) -> Pixels:
        return self._inner.to_pixels(image)

    @property
    def portable_pixels(self) -> ToPixels:
        return self._inner.portable_pixels

    def encode_pixels(self, batch: Sequence[Pixels]) -> Embeddings:
        return self._inner.encode_pixels(batch)

    def warm_up(self, max_texts: int, max_tokens: int) -> None:
        self._inner.warm_up(self._most * max_texts, max_tokens)

    def _prompts(self, text: str) -> list[str]:
        templates = self._templates.get(language_of(text), ("{}",))
        return [template.replace("{}", text) for template in templates]


def _fingerprint(inner: str, templates: dict[Language, tuple[str, ...]]) -> str:
    return hashlib.sha256(repr((inner, templates)).encode()).hexdigest()


def _joined(prompts: Sequence[Tokens]) -> Tokens:
    lengths = np.array([len(prompts), *map(len, prompts)], np.int32)
    return np.concatenate([lengths, *prompts])


def _parted(tokens: Tokens) -> list[Tokens]:
    count = int(tokens[0])
    lengths, prompts = tokens[1 : 1 + count], tokens[1 + count :]
    return np.split(prompts, np.cumsum(lengths)[:-1])
