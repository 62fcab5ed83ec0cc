"""Computes the starter's data files from its vocabulary: `python -m models.training.starter`.

Run it after editing a `starter_*.tsv`; it takes seconds. No picture is looked at: only the
vocabulary, the sentence encoder and the classifier's weights.
"""

import numpy as np

from models.encoders.starter.data import save_phrases, save_space
from models.encoders.starter.image import ImageTower
from models.encoders.starter.space import CLASS_DIM, LOOK_DIM, Matrix, Space, softmax, unit
from models.encoders.starter.spelling import spell
from models.encoders.starter.text import SHARPNESS, SentenceEncoder, TextTower
from models.encoders.starter.vocabulary import CLASSES, Vocabulary, read_vocabulary

AXES_SHARPNESS = 12.0  # softer than SHARPNESS, so that axes join classes of like meaning
SHRINKAGE = 0.1  # the power of its share of the variance that an axis is scaled by


def main() -> None:
    vocabulary = read_vocabulary()
    sentences = SentenceEncoder()
    phrases = sentences.encode([spell(phrase.text) for phrase in vocabulary.phrases])
    save_phrases(vocabulary, phrases)
    similarities = TextTower(sentences, vocabulary, phrases).similarities(phrases)
    classes = class_axes(vocabulary, similarities)
    save_space(vocabulary, Space(classes, look_axes(ImageTower().classifier_weights())))


def class_axes(vocabulary: Vocabulary, similarities: Matrix) -> Matrix:
    """Shape (1000, CLASS_DIM): the axes that keep most of what the phrases tell apart.

    `similarities`, shape (phrases, 1000), is how close each phrase is to each class. The
    axes are the leading principal axes of one unit row per class, the mean distribution
    of its own names, so that many names weigh no more than few, and of one per shared word.
    """
    soft = unit(softmax(AXES_SHARPNESS * similarities))
    own = np.zeros((CLASSES, CLASSES), np.float32)
    shared = []
    for row, phrase in enumerate(vocabulary.phrases):
        if phrase.kind == "name":
            own[list(vocabulary.classes_of[phrase])] += soft[row]
        else:
            shared.append(row)
    rows = np.vstack([unit(own), unit(softmax(SHARPNESS * similarities[shared]))])
    _, strengths, axes = np.linalg.svd(rows, full_matrices=False)
    variances = (strengths / strengths[0])[:CLASS_DIM] ** 2
    return np.ascontiguousarray(axes[:CLASS_DIM].T * variances**SHRINKAGE)


def look_axes(weights: Matrix) -> Matrix:
    """Shape (1000, LOOK_DIM): the leading axes of the classifier's weights, (1000, features)."""
    axes, _, _ = np.linalg.svd(weights - weights.mean(axis=0), full_matrices=False)
    return np.ascontiguousarray(axes[:, :LOOK_DIM])


if __name__ == "__main__":
    main()
