"""Computes the starter's data files from its vocabulary: `python -m models.training.starter`.

Run it after editing `starter_classes.tsv` or `starter_groups.tsv`; it takes seconds. No
picture is looked at: only the vocabulary, the sentence encoder and the classifier's weights.
"""

import numpy as np

from models.encoders.starter_data import save_phrases, save_space
from models.encoders.starter_image import ImageTower
from models.encoders.starter_space import CLASS_DIM, LOOK_DIM, Matrix, Space, softmax, unit
from models.encoders.starter_text import SHARPNESS, SentenceEncoder, TextTower
from models.encoders.starter_vocabulary import CLASSES, Vocabulary, read_vocabulary


def main() -> None:
    vocabulary = read_vocabulary()
    sentences = SentenceEncoder()
    phrases = sentences.encode([phrase.text for phrase in vocabulary.phrases])
    save_phrases(vocabulary, phrases)
    tower = TextTower(sentences, vocabulary, phrases)
    shares = softmax(SHARPNESS * tower.similarities(phrases))
    space = Space(class_axes(vocabulary, shares), look_axes(ImageTower().classifier_weights()))
    save_space(vocabulary, space)


def class_axes(vocabulary: Vocabulary, shares: Matrix) -> Matrix:
    """Shape (1000, CLASS_DIM): the axes that keep most of what the names can tell apart.

    `shares`, shape (phrases, 1000), is the class distribution of each phrase. Each class
    is given the mean of its own names' distributions, of unit length, so that a class of
    many names weighs as much as one of few; the axes are the leading singular vectors.
    """
    by_class = np.zeros((CLASSES, CLASSES), np.float32)
    for row, phrase in enumerate(vocabulary.phrases):
        if phrase.kind == "name":
            by_class[list(vocabulary.classes_of[phrase])] += unit(shares[row][None])
    _, _, axes = np.linalg.svd(unit(by_class))
    return np.ascontiguousarray(axes[:CLASS_DIM].T)


def look_axes(weights: Matrix) -> Matrix:
    """Shape (1000, LOOK_DIM): the leading axes of the classifier's weights, (1000, features)."""
    axes, _, _ = np.linalg.svd(weights - weights.mean(axis=0), full_matrices=False)
    return np.ascontiguousarray(axes[:, :LOOK_DIM])


if __name__ == "__main__":
    main()
