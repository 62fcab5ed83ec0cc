"""The starter's computed data files, written by `python -m models.training.starter`.

phrases_{ko,en}.npz  `codes` (n, 512) int8 and `scales` (n, 1) float32: sentence
                             embeddings of the phrases, in the vocabulary's order
axes_classes.npz     `axes` (1000, CLASS_DIM) float16
axes_looks.npz       `axes` (1000, LOOK_DIM) float16
Each also holds `vocabulary`, the digest of the vocabulary it was computed from.
"""

from pathlib import Path

import numpy as np

from models.encoders.starter.space import Matrix, Space, unit
from models.encoders.starter.vocabulary import LANGUAGES, Vocabulary
from models.errors import ModelUnavailable

_HERE = Path(__file__).parent
PHRASE_FILES = {language: _HERE / f"phrases_{language}.npz" for language in LANGUAGES}
AXES_FILES = {part: _HERE / f"axes_{part}.npz" for part in ("classes", "looks")}


def save_phrases(vocabulary: Vocabulary, embeddings: Matrix) -> None:
    for language, path in PHRASE_FILES.items():
        rows = embeddings[vocabulary.rows_of(language)]
        scales = np.abs(rows).max(axis=1, keepdims=True) / np.float32(127)
        codes = np.rint(rows / scales).astype(np.int8)
        np.savez(path, codes=codes, scales=scales, vocabulary=vocabulary.digest)


def load_phrases(vocabulary: Vocabulary) -> Matrix:
    """Shape (phrases, 512), unit rows. Raises ModelUnavailable if the file is out of step."""
    embeddings = np.empty((len(vocabulary.phrases), 512), np.float32)
    for language, path in PHRASE_FILES.items():
        with np.load(path) as file:
            _check(path, str(file["vocabulary"]), vocabulary)
            embeddings[vocabulary.rows_of(language)] = file["codes"] * file["scales"]
    return unit(embeddings)


def save_space(vocabulary: Vocabulary, space: Space) -> None:
    for part, axes in (("classes", space.classes), ("looks", space.looks)):
        np.savez(AXES_FILES[part], axes=axes.astype(np.float16), vocabulary=vocabulary.digest)


def load_space(vocabulary: Vocabulary) -> Space:
    """Raises ModelUnavailable if a file is out of step."""
    return Space(_axes("classes", vocabulary), _axes("looks", vocabulary))


def _axes(part: str, vocabulary: Vocabulary) -> Matrix:
    path = AXES_FILES[part]
    with np.load(path) as file:
        _check(path, str(file["vocabulary"]), vocabulary)
        axes: Matrix = file["axes"].astype(np.float32)
    return axes


def _check(path: Path, digest: str, vocabulary: Vocabulary) -> None:
    if digest != vocabulary.digest:
        raise ModelUnavailable(
            f"{path.name} is older than the vocabulary: run python -m models.training.starter"
        )
